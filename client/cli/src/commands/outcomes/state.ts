import type { Command, Option } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { OutcomeNodes, readNodeFile } from '../../outcomes/node-file.ts';
import { stateRound } from '../../outcomes/state-round.ts';
import { openSession } from '../../session.ts';
import { readGiven } from '../../terminal/given-bytes.ts';

export const outcomesOptions: Readonly<Record<string, Option>> = {
  ...organizationOptions,
  user: { type: 'string', value: 'username', help: 'the source (default: that of the credentials)' },
  store: {
    type: 'string',
    value: 'file',
    help: 'SQLite file of the store (default: store.sqlite in KEYSTEAD_HOME)',
  },
};

export const outcomesDetails = [
  'The credentials are those of the source: a user with the trait operator whose policy allows state-outcomes and read, and',
  'nothing else. Which transactions were signed is read from the store, up to the end that the deployment signs for. The',
  'file names nodes of the source’s own, by CAIP-2 id, EVM and Solana JSON-RPC, Bitcoin Esplora:',
  '  {"eip155:1": {"url": "https://…"}, "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": {"url": "https://…"}}',
  'Only final history counts: what landed, failed, expired, or was replaced. Limits get something back when a source of',
  'another operator, with other nodes, says the same.',
];

export const outcomesState: Command = {
  words: ['outcomes', 'state'],
  summary: 'states once what became of signed transactions, as one source',
  details: outcomesDetails.join('\n'),
  positionals: [{ name: 'file' }],
  options: outcomesOptions,
  async run(given, surroundings) {
    const nodes = new OutcomeNodes(
      readNodeFile(new TextDecoder().decode(await readGiven(given.positionals[0], surroundings))),
    );
    const session = await openSession(given, surroundings);
    const { unsettled, stated } = await stateRound(given, surroundings, session, nodes);
    return {
      json: { unsettled, stated },
      text: [
        `stated ${stated.length} of ${unsettled} outcomes that are open`,
        ...stated.map(
          ({ position, outcome, by, stands }) =>
            `  ${position}  ${outcome}${by === undefined ? '' : ` by ${by}`}${stands ? '  stands' : ''}`,
        ),
      ].join('\n'),
    };
  },
};
