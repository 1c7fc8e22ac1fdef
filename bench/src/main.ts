import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { compare } from './compare.ts';
import { decide } from './decide.ts';
import { decode } from './decode.ts';
import { growth } from './growth.ts';
import { overload } from './overload.ts';
import { recover } from './recover.ts';
import { restart } from './restart.ts';
import { rules } from './rules.ts';
import { soak } from './soak.ts';
import { say } from './table.ts';

/**
 * `npm run bench [-- compare | growth | overload | recover | restart | rules | soak | decode | decide]`: tables on standard error, one JSON object on standard output (bench/README.md).
 */
const suites: Readonly<Record<string, (directory: string, words: readonly string[]) => Promise<unknown>>> = {
  compare,
  decide,
  decode,
  growth,
  overload,
  recover,
  restart,
  rules,
  soak,
};

const [name = 'compare', ...words] = process.argv.slice(2);
const suite = Object.hasOwn(suites, name) ? suites[name] : undefined;
if (suite === undefined) {
  say(`no bench is called ${name}; there are: ${Object.keys(suites).join(', ')}`);
  process.exit(64);
}
// Beside the sources and not in /tmp, which is memory on many machines: durable figures need a disk.
const directory = mkdtempSync(join(process.cwd(), '.bench-'));
try {
  const result = await suite(directory, words);
  process.stdout.write(`${JSON.stringify({ bench: name, result })}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
