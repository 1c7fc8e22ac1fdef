import { createInterface } from 'node:readline/promises';
import type { Surroundings } from '../surroundings.ts';

/** True when somebody at the terminal types `yes`. False without a terminal: nothing is assumed. */
export async function confirm(question: string, surroundings: Surroundings): Promise<boolean> {
  if (surroundings.stdin.isTTY !== true || process.stdout.isTTY !== true) return false;
  const reading = createInterface({ input: surroundings.stdin, output: process.stderr });
  try {
    return (await reading.question(`${question} Type yes: `)).trim() === 'yes';
  } finally {
    reading.close();
  }
}
