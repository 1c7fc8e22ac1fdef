import { base64urlEncode } from '@keystead/crypto/base64url';
import { type ChosenAccount, chosenAccount } from '../chain/account.ts';
import { ethereumTransfer } from '../chain/ethereum-transfer.ts';
import { type ChainNode, chainNode } from '../chain/json-rpc.ts';
import { solanaTransfer } from '../chain/solana-transfer.ts';
import type { Command } from '../command.ts';
import { accountOptions, type CommandArguments } from '../command-arguments.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { openSession, type Session } from '../session.ts';
import { signingMembers } from '../signing-options.ts';
import { submissionOf } from '../submission.ts';
import type { Surroundings } from '../surroundings.ts';
import { decodeGiven, encodings, readGiven } from '../terminal/given-bytes.ts';

export const send: Command = {
  words: ['send'],
  summary: 'signs a transaction and sends it: a file, or a simple transfer',
  details: [
    'keystead send --network eip155:1 --to 0x… --value <wei>',
    'keystead send --network solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp --to … --value <lamports>',
    'keystead send --network eip155:1 --transaction <file>',
    '',
    'The transfer is built here; nonce, fees and blockhash come from the node at --rpc. A node whose URL holds a key is',
    'named by KEYSTEAD_RPC_URL, since arguments are visible. The deployment itself sends to the node that it is',
    'configured with, and answers with what that node said.',
  ].join('\n'),
  options: {
    network: { type: 'string', value: 'CAIP-2', help: 'network to send to' },
    to: { type: 'string', value: 'address', help: 'recipient of a transfer' },
    value: { type: 'string', value: 'amount', help: 'amount in base units: wei, lamports' },
    transaction: { type: 'string', value: 'file', help: 'unsigned transaction; - is standard input' },
    encoding: {
      type: 'string',
      value: 'encoding',
      help: `of the file: ${encodings.join(', ')} (default: auto)`,
    },
    rpc: { type: 'string', value: 'url', help: 'node to ask (default: KEYSTEAD_RPC_URL)' },
    nonce: { type: 'string', value: 'n', help: 'Ethereum: nonce in place of that of the node' },
    gas: { type: 'string', value: 'n', help: 'Ethereum: gas limit in place of the estimate' },
    'max-fee': { type: 'string', value: 'wei', help: 'Ethereum: maximum fee per gas' },
    'priority-fee': { type: 'string', value: 'wei', help: 'Ethereum: maximum priority fee per gas' },
    ...accountOptions,
  },
  async run(given, surroundings) {
    const network = given.required('network');
    const account = chosenAccount(given, undefined);
    const isTransfer = given.text('to') !== undefined;
    if (isTransfer === (given.text('transaction') !== undefined))
      throw new UsageError('either --to with --value, or --transaction');
    const value = isTransfer ? amountOf(given) : 0n;
    const session = await openSession(given, surroundings);
    const transaction = isTransfer
      ? await transfer(given, surroundings, session, account, value)
      : decodeGiven(
          await readGiven(given.text('transaction'), surroundings),
          given.oneOf('encoding', encodings) ?? 'auto',
        );
    const { result, submission, position } = await session.client.callVerified('signTransaction', {
      ...signingMembers(given, session, account),
      chain: account.chain,
      transaction: base64urlEncode(transaction),
      network,
    });
    const sent = submissionOf(submission);
    return {
      json: { ...result, network, position, submission: submission ?? null },
      text: sent.hash ?? result.transaction,
      ...(sent.failure === undefined ? {} : { failure: sent.failure }),
    };
  },
};

function amountOf(given: CommandArguments): bigint {
  const text = given.required('value');
  if (!/^(0|[1-9][0-9]{0,77})$/.test(text))
    throw new UsageError('--value is a whole number of base units: wei, lamports');
  return BigInt(text);
}

async function transfer(
  given: CommandArguments,
  surroundings: Surroundings,
  session: Session,
  account: ChosenAccount,
  value: bigint,
): Promise<Uint8Array> {
  const url = given.text('rpc') ?? surroundings.rpcUrl;
  if (url === undefined)
    throw new CommandError(
      'no node is named that could be asked for nonce, fees or blockhash',
      'name one with --rpc or KEYSTEAD_RPC_URL, or build the transaction yourself and use --transaction',
    );
  const node = chainNode(url);
  const to = given.required('to');
  const from = await addressOf(given, session, account);
  if (account.chain === 'solana') return solanaTransfer(node, { from, to, lamports: value });
  if (account.chain === 'ethereum') return ethereumOf(given, node, { from, to, value });
  throw new CommandError(
    `simple transfers are built for Ethereum and Solana, not for ${account.chain}`,
    'build the transaction with a library of the chain, and send it with --transaction',
  );
}

function ethereumOf(
  given: CommandArguments,
  node: ChainNode,
  transfer: { from: string; to: string; value: bigint },
): Promise<Uint8Array> {
  const chainId = BigInt(given.required('network').split(':')[1]!);
  const amount = (name: string) => {
    const text = given.text(name);
    if (text === undefined) return undefined;
    if (!/^(0|[1-9][0-9]{0,77})$/.test(text)) throw new UsageError(`--${name} is a whole number`);
    return BigInt(text);
  };
  return ethereumTransfer(node, {
    ...transfer,
    chainId,
    fees: {
      nonce: amount('nonce'),
      gasLimit: amount('gas'),
      maxFeePerGas: amount('max-fee'),
      maxPriorityFeePerGas: amount('priority-fee'),
    },
  });
}

/** Stated by the signer: a gateway cannot make another account pay, or name another nonce. */
async function addressOf(given: CommandArguments, session: Session, account: ChosenAccount): Promise<string> {
  const [found] = await session.client.call('getAccounts', {
    organizationId: session.organizationId,
    walletId: session.walletId(given),
    accounts: account.derivationInfo === null ? [] : [account.derivationInfo],
  });
  if (found === undefined)
    throw new CommandError('the wallet has no such account', 'keystead wallet accounts shows them');
  return found.address;
}
