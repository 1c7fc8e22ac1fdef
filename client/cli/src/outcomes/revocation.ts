/** Transactions that take the place of one that was signed, so that it can land no more. */
import { ethereumNonceTaken } from '@keystead/sdk/revocation/ethereum-nonce';
import { solanaNonceAdvance } from '@keystead/sdk/revocation/solana-nonce';
import { bitcoinOutputSpent } from '@keystead/sdk/revocation/bitcoin-output';
import { hexDecode } from '@keystead/crypto/hex';
import type { ChainNode } from '../chain/json-rpc.ts';
import { CommandError } from '../command-error.ts';
import { checkBitcoinNetwork, type Esplora } from './bitcoin-outcome.ts';
import { nonceAccount, nonceOf } from './nonce-account.ts';
import { listOf, objectOf, textOf } from './outcome.ts';
import type { UnsettledEntry } from './unsettled-entries.ts';

/** Advances the nonce, paid by its authority. Throws NodeLies, CommandError and ChainError. */
export async function solanaRevocation(
  node: ChainNode,
  entry: UnsettledEntry,
  account: string,
): Promise<Uint8Array> {
  const { address, nonce } = nonceOf(entry);
  const held = await nonceAccount(node, address);
  if (held?.nonce !== nonce)
    throw new CommandError('its nonce has moved on: it can land no more', 'nothing is left to revoke');
  if (held.authority !== account)
    throw new CommandError(
      `the nonce is advanced by ${held.authority}, which is not the account that signed`,
      'have its owner advance it, or move what the transaction would take',
    );
  const latest = objectOf(
    await node.call('getLatestBlockhash', [{ commitment: 'confirmed' }]),
    'the blockhash',
  );
  const blockhash = textOf(objectOf(latest.value, 'the blockhash').blockhash, 'the blockhash');
  return solanaNonceAdvance({ nonceAccount: address, authority: account, blockhash });
}

/** Fees of the caller, in wei; what is undefined the node says. */
export interface RevocationFees {
  readonly maxFeePerGas: bigint | undefined;
  readonly maxPriorityFeePerGas: bigint | undefined;
}

const priorityFee = 1_000_000_000n;

/** Takes the nonce by a transaction of nothing to the account itself. Throws NodeLies, CommandError and ChainError. */
export async function ethereumRevocation(
  node: ChainNode,
  entry: UnsettledEntry,
  account: string,
  fees: RevocationFees,
): Promise<Uint8Array> {
  const { validity, network } = entry.effects;
  const nonce = BigInt(validity.key);
  const quantity = async (method: string, params: readonly unknown[]): Promise<bigint> =>
    BigInt(textOf(await node.call(method, params), method));
  if ((await quantity('eth_getTransactionCount', [account, 'latest'])) > nonce)
    throw new CommandError(
      `nonce ${nonce} is taken: it landed, or can land no more`,
      'nothing is left to revoke',
    );
  const pending = objectOf(await node.call('eth_getBlockByNumber', ['pending', true]), 'the block');
  const same = listOf(pending.transactions, 'its transactions')
    .map((each) => objectOf(each, 'a transaction'))
    .find(
      (each) =>
        String(each.from).toLowerCase() === account.toLowerCase() &&
        /^0x[0-9a-f]{1,16}$/.test(String(each.nonce)) &&
        BigInt(String(each.nonce)) === nonce,
    );
  // A node takes the place of what it has for a tenth more; an eighth is more than that after rounding.
  const more = (name: string): bigint => {
    const value = same?.[name] ?? same?.gasPrice;
    return typeof value === 'string' ? (BigInt(value) * 9n) / 8n + 1n : 0n;
  };
  const tip = await quantity('eth_maxPriorityFeePerGas', []).catch(() => priorityFee);
  const maxPriorityFeePerGas = fees.maxPriorityFeePerGas ?? largest(tip, more('maxPriorityFeePerGas'));
  const baseFee = BigInt(textOf(pending.baseFeePerGas, 'the base fee'));
  const suggested = largest(2n * baseFee + maxPriorityFeePerGas, more('maxFeePerGas'));
  return ethereumNonceTaken({
    chainId: BigInt(network!.split(':')[1]!),
    account,
    nonce,
    maxFeePerGas: fees.maxFeePerGas ?? suggested,
    maxPriorityFeePerGas,
    gasLimit: await quantity('eth_estimateGas', [{ from: account, to: account, value: '0x0' }]),
  });
}

/** Satoshi for each virtual byte above the fee that is replaced, and the size of one input and one output. */
const virtualBytes = 120n;

/** Spends the largest of its outputs that is the account's to the account. Throws NodeLies, CommandError and ChainError. */
export async function bitcoinRevocation(
  server: Esplora,
  entry: UnsettledEntry,
  account: string,
  network: string,
  fee: bigint | undefined,
): Promise<Uint8Array> {
  const named = await checkBitcoinNetwork(server, network);
  const candidates: { previous: Uint8Array; index: number; amount: number }[] = [];
  for (const outpoint of entry.effects.validity.key.split(',')) {
    const [id = '', text = ''] = outpoint.split(':');
    const spend = objectOf(JSON.parse(await server.get(`/tx/${id}/outspend/${text}`)), 'a spend');
    if (spend.spent === true && objectOf(spend.status, 'its status').confirmed === true)
      throw new CommandError(
        'one of its outputs is spent: it landed, or can land no more',
        'nothing is left to revoke',
      );
    const described = objectOf(JSON.parse(await server.get(`/tx/${id}`)), 'a transaction');
    const output = objectOf(listOf(described.vout, 'its outputs')[Number(text)], 'an output');
    if (output.scriptpubkey_address !== account || typeof output.value !== 'number') continue;
    const previous = hexDecode((await server.get(`/tx/${id}/hex`)).trim());
    candidates.push({ previous, index: Number(text), amount: output.value });
  }
  const [best] = candidates.toSorted((left, right) => right.amount - left.amount);
  if (best === undefined)
    throw new CommandError(
      'none of its outputs is of the account that signed',
      'name the server of another network',
    );
  const least = BigInt(entry.effects.maxFee?.amount ?? 0) + 2n * virtualBytes;
  try {
    return bitcoinOutputSpent({ ...best, address: account, network: named, fee: fee ?? least });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CommandError(error.message, 'name another fee with --fee');
  }
}

const largest = (left: bigint, right: bigint): bigint => (left > right ? left : right);
