import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from '../../command.ts';
import { UsageError } from '../../command-error.ts';
import { OutcomeNodes, readNodeFile } from '../../outcomes/node-file.ts';
import { stateRound } from '../../outcomes/state-round.ts';
import { openSession } from '../../session.ts';
import { readGiven } from '../../terminal/given-bytes.ts';
import { outcomesDetails, outcomesOptions } from './state.ts';

export const outcomesWatch: Command = {
  words: ['outcomes', 'watch'],
  summary: 'states what becomes of signed transactions, as one source, until it is stopped',
  details: ['Run it as a process of its own, under a user of its own.', ...outcomesDetails].join('\n'),
  positionals: [{ name: 'file' }],
  options: {
    ...outcomesOptions,
    every: { type: 'string', value: 'seconds', help: 'from one round to the next (default: 60)' },
    rounds: { type: 'string', value: 'number', help: 'ends after so many rounds' },
  },
  async run(given, surroundings) {
    const seconds = numberOf(given.text('every') ?? '60', 'every');
    const rounds = given.text('rounds') === undefined ? undefined : numberOf(given.text('rounds')!, 'rounds');
    const nodes = new OutcomeNodes(
      readNodeFile(new TextDecoder().decode(await readGiven(given.positionals[0], surroundings))),
    );
    const session = await openSession(given, surroundings);
    const stopping = new AbortController();
    const stop = () => stopping.abort();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
    let stated = 0;
    for (let round = 1; !stopping.signal.aborted; round += 1) {
      try {
        stated += (await stateRound(given, surroundings, session, nodes)).stated.length;
      } catch (error) {
        // Nothing is released meanwhile; the next round may find what this one did not.
        surroundings.say(`nothing stated: ${error instanceof Error ? error.message : String(error)}`);
      }
      if (round === rounds) break;
      await wait(seconds * 1000, undefined, { signal: stopping.signal }).catch(() => {});
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.removeListener(signal, stop);
    return { json: { stated }, text: `stated ${stated} outcomes` };
  },
};

function numberOf(text: string, name: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new UsageError(`--${name} is a number from 1 to 999999`);
  return Number(text);
}
