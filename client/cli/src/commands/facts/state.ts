import type { Fact } from '@keystead/protocol/methods/stateFacts';
import { type ChainNode, chainNode } from '../../chain/json-rpc.ts';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { UsageError } from '../../command-error.ts';
import { lookupTableFacts, tokenAccountFact } from '../../facts/solana-facts.ts';
import { objectTypeFact } from '../../facts/sui-facts.ts';
import { openSession } from '../../session.ts';

const maximumStated = 64;

export const factsState: Command = {
  words: ['facts', 'state'],
  summary: 'states, as one source, what transactions refer to and do not hold',
  details: [
    'The credentials are those of the source: a user with the trait operator whose policy allows state-facts, and nothing',
    'else. The node is the source’s own, of the network on which the transactions land; its URL may hold a key, so it is',
    'named by KEYSTEAD_RPC_URL. Only final history is read. Nothing is believed before a source of another operator, with',
    'another node, says the same; what is said of a token account holds for an hour.',
  ].join('\n'),
  options: {
    ...organizationOptions,
    table: {
      type: 'string',
      value: 'address',
      multiple: true,
      help: 'Solana lookup table: all of its entries',
    },
    'token-account': {
      type: 'string',
      value: 'address',
      multiple: true,
      help: 'Solana token account: mint and owner',
    },
    object: { type: 'string', value: 'id', multiple: true, help: 'Sui object: its type' },
    rpc: { type: 'string', value: 'url', help: 'node to ask (default: KEYSTEAD_RPC_URL)' },
  },
  async run(given, surroundings) {
    const url = given.text('rpc') ?? surroundings.rpcUrl;
    if (url === undefined) throw new UsageError('no node is named: set KEYSTEAD_RPC_URL or --rpc');
    const facts = await factsOf(chainNode(url), {
      tables: given.list('table'),
      accounts: given.list('token-account'),
      objects: given.list('object'),
    });
    if (facts.length === 0) throw new UsageError('name a --table, a --token-account or an --object');
    const { client, organizationId } = await openSession(given, surroundings);
    const stated: { kind: string; subject: string; stands: boolean }[] = [];
    for (let from = 0; from < facts.length; from += maximumStated) {
      const part = facts.slice(from, from + maximumStated);
      stated.push(...(await client.call('stateFacts', { organizationId, facts: part })).facts);
    }
    const standing = stated.filter(({ stands }) => stands).length;
    return { json: { stated }, text: `stated ${stated.length} facts, of which ${standing} stand` };
  },
};

async function factsOf(
  node: ChainNode,
  wanted: Readonly<Record<'tables' | 'accounts' | 'objects', readonly string[]>>,
): Promise<Fact[]> {
  const facts: Fact[] = [];
  for (const table of wanted.tables) facts.push(...(await lookupTableFacts(node, table)));
  for (const account of wanted.accounts) facts.push(await tokenAccountFact(node, account));
  for (const object of wanted.objects) facts.push(await objectTypeFact(node, object));
  return facts;
}
