import type { Command } from '../../command.ts';
import { OutcomeNodes, readNodeFile } from '../../outcomes/node-file.ts';
import { outstanding } from '../../outcomes/outstanding.ts';
import { entriesOf } from '../../outcomes/state-round.ts';
import { openSession } from '../../session.ts';
import { readGiven } from '../../terminal/given-bytes.ts';
import { outcomesOptions } from './state.ts';

export const outcomesList: Command = {
  words: ['outcomes', 'list'],
  summary: 'signed transactions that are not final: whoever has one can still send it',
  details: [
    'Which transactions were signed is read from the store, up to the end that the deployment signs for. With a file of nodes',
    '(see keystead outcomes state --help) those that landed, failed, or can land no more are left out, on the word of these nodes.',
    'keystead outcomes revoke POSITION takes the place of one, so that it can land no more. Typed data is not among them:',
    'its own contract says how it is taken back.',
  ].join('\n'),
  positionals: [{ name: 'file', optional: true }],
  options: { ...outcomesOptions },
  async run(given, surroundings) {
    const [file] = given.positionals;
    const nodes =
      file === undefined
        ? undefined
        : new OutcomeNodes(readNodeFile(new TextDecoder().decode(await readGiven(file, surroundings))));
    const session = await openSession(given, surroundings);
    const entries = await entriesOf(given, surroundings, session);
    const found = await outstanding(entries, nodes);
    const listed = found.map(({ entry, network, ends, unknown }) => ({
      position: entry.position,
      time: new Date(entry.time).toISOString(),
      chain: entry.effects.chain,
      network,
      account: entry.effects.signers[0] ?? null,
      uniqueness: entry.effects.validity.uniqueness,
      key: entry.effects.validity.key,
      ends,
      ...(unknown === undefined ? {} : { unknown }),
    }));
    return {
      json: { signed: entries.length, outstanding: listed },
      text: [
        `${listed.length} of ${entries.length} signed transactions are not known to be final`,
        ...listed.map(
          ({ position, time, chain, network, ends, unknown }) =>
            `  ${position}  ${time}  ${network ?? chain}  ends with: ${ends}${unknown === undefined ? '' : `  (${unknown})`}`,
        ),
      ].join('\n'),
    };
  },
};
