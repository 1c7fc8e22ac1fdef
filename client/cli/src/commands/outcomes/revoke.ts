import { base64urlEncode } from '@keystead/crypto/base64url';
import { formatUuid } from '@keystead/protocol/ids';
import { chainNode } from '../../chain/json-rpc.ts';
import type { Command } from '../../command.ts';
import type { CommandArguments } from '../../command-arguments.ts';
import { CommandError, UsageError } from '../../command-error.ts';
import { esplora, OutcomeNodes, readNodeFile } from '../../outcomes/node-file.ts';
import { bitcoinRevocation, ethereumRevocation, solanaRevocation } from '../../outcomes/revocation.ts';
import { entriesOf } from '../../outcomes/state-round.ts';
import type { UnsettledEntry } from '../../outcomes/unsettled-entries.ts';
import { openSession, type Session } from '../../session.ts';
import { submissionOf } from '../../submission.ts';
import { readGiven } from '../../terminal/given-bytes.ts';
import { outcomesOptions } from './state.ts';

export const outcomesRevoke: Command = {
  words: ['outcomes', 'revoke'],
  summary: 'takes the place of a signed transaction that nobody is to send any more',
  details: [
    'keystead outcomes list shows positions. What is signed and sent, under your policy as everything:',
    '  Solana, durable nonce   advances the nonce; its authority has to be the account that signed',
    '  EVM                     a transaction of nothing to the account itself, with the same nonce',
    '  Bitcoin                 spends one of the same outputs to the account itself, for a higher fee',
    'A Solana transaction with a recent blockhash ends by itself within minutes. The file names your nodes, as for',
    'keystead outcomes state. It is over only when the new transaction is final: list it again.',
  ].join('\n'),
  positionals: [{ name: 'position' }, { name: 'file' }],
  options: {
    unsent: { type: 'boolean', help: 'prints the signed transaction instead of sending it' },
    fee: {
      type: 'string',
      value: 'satoshi',
      help: 'Bitcoin: fee (default: the old one and 2 satoshi a byte)',
    },
    'max-fee': { type: 'string', value: 'wei', help: 'Ethereum: maximum fee per gas' },
    'priority-fee': { type: 'string', value: 'wei', help: 'Ethereum: maximum priority fee per gas' },
    ...outcomesOptions,
  },
  async run(given, surroundings) {
    const [position, file] = given.positionals as [string, string];
    const nodes = new OutcomeNodes(
      readNodeFile(new TextDecoder().decode(await readGiven(file, surroundings))),
    );
    const session = await openSession(given, surroundings);
    const entries = await entriesOf(given, surroundings, session);
    const entry = entries.find((each) => String(each.position) === position);
    if (entry === undefined)
      throw new CommandError(
        `no transaction that may be open was signed at position ${position.slice(0, 20)}`,
        'keystead outcomes list shows the positions',
      );
    const network = nodes.networkOf(entry);
    if (network === undefined)
      throw new CommandError(
        `the file names no node for ${entry.effects.network ?? entry.effects.chain}`,
        'add one, of your own',
      );
    const { walletId, derivationPath } = entry.account;
    const account = {
      organizationId: session.organizationId,
      walletId: formatUuid(walletId),
      ...(derivationPath === '' ? {} : { derivationInfo: derivationPath }),
    };
    const address = await addressOf(session, account);
    const transaction = await revocation(given, entry, address, network, await nodes.checkedUrl(network));
    const {
      result,
      submission,
      position: at,
    } = await session.client.callVerified('signTransaction', {
      ...account,
      chain: entry.effects.chain,
      transaction: base64urlEncode(transaction),
      ...(given.flag('unsent') ? {} : { network }),
    });
    const json = { revokes: entry.position, position: at, network, ...result };
    if (given.flag('unsent')) return { json, text: result.transaction };
    const sent = submissionOf(submission);
    return {
      json: { ...json, submission: submission ?? null },
      text: sent.hash ?? result.transaction,
      ...(sent.failure === undefined ? {} : { failure: sent.failure }),
    };
  },
};

/** Versions whose nonce is that of the account. */
const accountNonces: ReadonlySet<string> = new Set([
  'legacy',
  'eip2930',
  'eip1559',
  'eip4844',
  'eip7702',
  'eip7702-authorization',
]);

function revocation(
  given: CommandArguments,
  entry: UnsettledEntry,
  address: string,
  network: string,
  url: string,
): Promise<Uint8Array> {
  const { uniqueness } = entry.effects.validity;
  if (uniqueness === 'durable-nonce') return solanaRevocation(chainNode(url), entry, address);
  if (uniqueness === 'utxo')
    return bitcoinRevocation(esplora(url), entry, address, network, amountOf(given, 'fee'));
  // The nonce of a user operation is one of its entry point, not of the account.
  if (uniqueness === 'nonce' && accountNonces.has(entry.effects.version))
    return ethereumRevocation(chainNode(url), entry, address, {
      maxFeePerGas: amountOf(given, 'max-fee'),
      maxPriorityFeePerGas: amountOf(given, 'priority-fee'),
    });
  throw new CommandError(
    uniqueness === 'blockhash'
      ? 'its blockhash ends it within minutes of its signature'
      : 'what takes its place is not built here',
    uniqueness === 'blockhash'
      ? 'nothing has to be revoked; keystead outcomes list says when it is over'
      : 'build another transaction that excludes it, and send it with keystead send',
  );
}

/** Stated by the signer. */
async function addressOf(
  { client }: Session,
  {
    derivationInfo,
    ...wallet
  }: {
    readonly organizationId: string;
    readonly walletId: string;
    readonly derivationInfo?: string;
  },
): Promise<string> {
  const accounts = derivationInfo === undefined ? [] : [derivationInfo];
  const [found] = await client.call('getAccounts', { ...wallet, accounts });
  if (found === undefined)
    throw new CommandError('the wallet has no such account', 'see keystead wallet show');
  return found.address;
}

function amountOf(given: CommandArguments, name: string): bigint | undefined {
  const text = given.text(name);
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,30}$/.test(text)) throw new UsageError(`--${name} is a whole number above zero`);
  return BigInt(text);
}
