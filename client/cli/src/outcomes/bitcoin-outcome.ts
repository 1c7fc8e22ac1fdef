/** What became of a Bitcoin transaction, by an Esplora server of the source's own. */
import { addressToScript, type BitcoinNetwork } from '@keystead/chains/bitcoin/address';
import { SIGHASH_ALL, SIGHASH_DEFAULT, sighash } from '@keystead/chains/bitcoin/sighash';
import {
  decodeTransaction,
  transactionHash,
  transactionIdText,
  type TransactionOutput,
} from '@keystead/chains/bitcoin/transaction';
import { equalBytes } from '@keystead/crypto/bytes';
import { hexDecode } from '@keystead/crypto/hex';
import { signedBytesDigest } from '@keystead/protocol/signed-bytes';
import { type FoundOutcome, listOf, NodeLies, objectOf, textOf } from './outcome.ts';
import type { UnsettledEntry } from './unsettled-entries.ts';

/** Blocks after which a transaction is taken for final. */
const depth = 6;

export interface Esplora {
  /** The body of GET, at most 4 MiB. Throws CommandError. */
  get(path: string): Promise<string>;
}

const genesisNetworks: Readonly<Record<string, BitcoinNetwork>> = {
  'bip122:000000000019d6689c085ae165831e93': 'mainnet',
  'bip122:000000000933ea01ad0ee984209779ba': 'testnet',
  'bip122:0f9188f13cb7b2c71f2a335e3a4fc328': 'regtest',
};

/** Throws NodeLies for a server of another network. */
export async function checkBitcoinNetwork(server: Esplora, network: string): Promise<BitcoinNetwork> {
  const known = genesisNetworks[network];
  const genesis = await server.get('/block-height/0');
  if (known === undefined || `bip122:${genesis.slice(0, 32)}` !== network)
    throw new NodeLies('the server is of another network');
  return known;
}

/**
 * Which transaction spent one of the inputs, six blocks deep: ours, which landed, or another that took its place. A
 * transaction counts only when its id is that of its content and it spends that input. Throws NodeLies, and CommandError
 * when the server does not answer.
 */
export async function bitcoinOutcome(
  server: Esplora,
  network: BitcoinNetwork,
  entry: UnsettledEntry,
): Promise<FoundOutcome> {
  const { validity, feePayer } = entry.effects;
  if (validity.uniqueness !== 'utxo' || feePayer === null) return null;
  const tip = Number(await server.get('/blocks/tip/height'));
  if (!Number.isSafeInteger(tip)) throw new NodeLies('the height is no number');
  for (const outpoint of validity.key.split(',')) {
    const [id = '', index = ''] = outpoint.split(':');
    const spend = objectOf(JSON.parse(await server.get(`/tx/${id}/outspend/${index}`)), 'a spend');
    if (spend.spent !== true) continue;
    const status = objectOf(spend.status, 'its status');
    if (status.confirmed !== true || typeof status.block_height !== 'number') continue;
    if (tip - status.block_height + 1 < depth) continue;
    const by = textOf(spend.txid, 'an id');
    const ours = await isOurs(server, network, by, outpoint, feePayer, entry.bytesDigest);
    return ours ? { outcome: 'landed' } : { outcome: 'replaced', by };
  }
  return null;
}

async function isOurs(
  server: Esplora,
  network: BitcoinNetwork,
  id: string,
  outpoint: string,
  address: string,
  bytesDigest: Uint8Array,
): Promise<boolean> {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new NodeLies('an id is none');
  const transaction = decodeTransaction(hexDecode((await server.get(`/tx/${id}/hex`)).trim()));
  if (transactionIdText(transactionHash(transaction)) !== id)
    throw new NodeLies('a transaction has another id than its content');
  const spends = transaction.inputs.some(
    ({ previousId, previousIndex }) => `${transactionIdText(previousId)}:${previousIndex}` === outpoint,
  );
  if (!spends) throw new NodeLies('a transaction does not spend what it is said to spend');
  const described = objectOf(JSON.parse(await server.get(`/tx/${id}`)), 'a transaction');
  const spent = listOf(described.vin, 'its inputs').map((input): TransactionOutput => {
    const previous = objectOf(objectOf(input, 'an input').prevout, 'what it spends');
    if (typeof previous.value !== 'number') throw new NodeLies('an amount is no number');
    return { amount: BigInt(previous.value), script: hexDecode(textOf(previous.scriptpubkey, 'a script')) };
  });
  if (spent.length !== transaction.inputs.length) throw new NodeLies('inputs are missing');
  const own = addressToScript(address, network);
  const indexes = spent.flatMap(({ script }, index) => (equalBytes(script, own) ? [index] : []));
  const digests = sighash(transaction, spent);
  // Version 1 programs are taproot: a script of 34 bytes that begins with OP_1.
  const isTaproot = own.length === 34 && own[0] === 0x51;
  const candidates = isTaproot
    ? [SIGHASH_DEFAULT, SIGHASH_ALL].map((type) =>
        indexes.map((index) => ({
          algorithm: 'schnorr' as const,
          bytes: digests.taproot(index, type as typeof SIGHASH_ALL),
        })),
      )
    : [indexes.map((index) => ({ algorithm: 'ecdsa' as const, bytes: digests.segwit(index) }))];
  return candidates.some((inputs) => equalBytes(signedBytesDigest(inputs), bytesDigest));
}
