import { join } from 'node:path';
import type { Command } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { shadowsIn } from '../../ledger/shadows.ts';
import { chosenOrganization, copyStore } from '../../ledger/store-file.ts';
import { verifyChain } from '../../ledger/verify-chain.ts';
import { chainOf, organizationsOf } from '../../ledger/verify-store.ts';

/** Requests that the text shows; --json has all of them. */
const shown = 20;

export const policyShadow: Command = {
  words: ['policy', 'shadow'],
  summary: 'what a policy that is tried would have refused, as the ledger recorded it',
  details:
    'Reads the traces of the chain, which is verified first. What was refused by the policies that bind was not tried.',
  positionals: [{ name: 'name' }],
  options: {
    store: {
      type: 'string',
      value: 'file',
      help: 'SQLite file of the store (default: store.sqlite in KEYSTEAD_HOME)',
    },
    organization: { type: 'string', value: 'id', help: 'organization; needed when the store has several' },
  },
  async run(given, surroundings) {
    const [name] = given.positionals as [string];
    const copy = await copyStore(given.text('store') ?? join(surroundings.home, 'store.sqlite'));
    try {
      const organization = chosenOrganization(
        [...organizationsOf(copy.database)],
        given.text('organization'),
      );
      const chain = chainOf(copy.database, organization);
      const { bad } = verifyChain(organization, chain);
      if (bad !== null)
        throw new CommandError(
          `the chain is not whole: position ${bad.position}: ${bad.what}`,
          'see keystead ledger verify',
        );
      const { passed, others } = shadowsIn(chain.rows(), name);
      return {
        json: { passed, others },
        text: [
          `${name} would have decided otherwise on ${others.length} of ${passed}`,
          ...others
            .slice(0, shown)
            .map(({ position, time, method, line }) => `  ${position}  ${time}  ${method}  ${line}`),
          ...(others.length > shown ? [`  and ${others.length - shown} more: --json has all of them`] : []),
        ].join('\n'),
      };
    } finally {
      copy.close();
    }
  },
};
