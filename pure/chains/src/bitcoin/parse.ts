import { equalBytes } from '@keystead/crypto/bytes';
import { ecdsaDerEncode } from '@keystead/crypto/ecdsa-der';
import { hexEncode } from '@keystead/crypto/hex';
import type {
  ParseContext,
  ParsedTransaction,
  RawSignature,
  SigningAccount,
  SigningInput,
} from '../chain.ts';
import type { Call, Effects, Outflow, Unresolved } from '../effects.ts';
import { checkEffectsSize } from '../effects-size.ts';
import { ChainError } from '../error.ts';
import { StepBudget } from '../step-budget.ts';
import { areAllOfAccount } from './account-inputs.ts';
import { type BitcoinNetwork, networkOfAddress, ownScript, scriptKind, scriptToAddress } from './address.ts';
import { join } from './byte-writer.ts';
import { extractTransaction, isFinal } from './extract.ts';
import { checkGlobal, checkOwnInput } from './own-input.ts';
import { type OutputOwner, ownerOfOutput } from './own-output.ts';
import { decodePsbt, encodePsbt, INPUT, type Psbt } from './psbt.ts';
import type { PsbtMap, PsbtRecord } from './psbt-map.ts';
import { INPUT_V2 } from './psbt-v2.ts';
import { SIGHASH_ALL, SIGHASH_DEFAULT, sighash } from './sighash.ts';
import { spentOutputs } from './spent-output.ts';
import { leastVirtualSize } from './size.ts';
import {
  encodeWitness,
  MAX_MONEY,
  type TransactionOutput,
  transactionHash,
  transactionIdText,
} from './transaction.ts';

/** CAIP-19 ids of the coin: the network is the genesis block's hash, shortened. */
const ASSETS: Readonly<Record<BitcoinNetwork, string>> = {
  mainnet: 'bip122:000000000019d6689c085ae165831e93/slip44:0',
  testnet: 'bip122:000000000933ea01ad0ee984209779ba/slip44:1',
  regtest: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328/slip44:1',
};
/** Lock times below are block heights. */
const LOCK_TIME_THRESHOLD = 500_000_000;
const FINAL_SEQUENCE = 0xffff_ffff;
/** Sequences below let a transaction be replaced by one that pays more (BIP-125). */
const FIRST_FINAL_FOR_REPLACEMENT = 0xffff_fffe;
const MOST_STEPS = 60_000;
/** Bytes of a data output that stand in the effects. */
const MOST_SHOWN_BYTES = 256;
/** Digests of one input. */
const STEPS_PER_OWN_INPUT = 20;

interface Spend {
  readonly psbt: Psbt;
  readonly spent: readonly TransactionOutput[];
  /** Inputs that the account signs. */
  readonly own: ReadonlySet<number>;
  /** Inputs that count as ours: all of them, or in a joint transaction those of the signing address. */
  readonly counted: ReadonlySet<number>;
  readonly account: SigningAccount;
  readonly network: BitcoinNetwork;
  readonly ownerOf: (index: number) => OutputOwner;
  /** Addresses of the account, `branch/index`, at which change was found. */
  readonly change: Set<string>;
}

/**
 * Strict parse of a PSBT. The account's key signs every input that pays to the account's address; other
 * inputs are left as they are. An output to that same address is change. Where an account key in the context shows that
 * every input is the account's, so is an output to another address of it that is derived here and within reach, and
 * everything that leaves the account counts (spec/effects.md §2.1). Every other output is an outflow.
 * The network is read from the account's address text, since the bytes commit to none.
 * @throws ChainError `transaction-malformed`, `transaction-version-unsupported`, `transaction-not-ours`,
 *   `transaction-not-understood`, `transaction-unsafe`, `transaction-already-signed`, `transaction-too-complex`,
 *   `address-format-unsupported`
 */
export function parseTransaction(
  bytes: Uint8Array,
  account: SigningAccount,
  context: ParseContext = {},
): ParsedTransaction {
  const steps = context.steps ?? new StepBudget(MOST_STEPS);
  steps.spend(1 + (bytes.length >> 2));
  const script = ownScript(account.publicKey, account.addressFormat);
  const network = networkOfAddress(account.address, script);
  if (network === null)
    throw new ChainError('transaction-not-ours', 'the address is not that of the key', 'account.address');
  const psbt = decodePsbt(bytes);
  checkGlobal(psbt);
  const taproot = account.addressFormat === 'BitcoinTaproot';
  const spent = spentOutputs(psbt, { witnessUtxoSuffices: taproot });
  const own = new Set(spent.flatMap((output, index) => (equalBytes(output.script, script) ? [index] : [])));
  if (own.size === 0) throw new ChainError('transaction-not-ours', 'no input pays to the account', 'inputs');
  steps.spend(own.size * STEPS_PER_OWN_INPUT, 'inputs');
  const { accountKey } = context;
  const whole =
    own.size === spent.length ||
    (accountKey !== undefined && areAllOfAccount(psbt, spent, script, account, accountKey, network, steps));
  const ownerOf = (index: number): OutputOwner => {
    const output = psbt.transaction.outputs[index]!;
    if (equalBytes(output.script, script)) return 'own';
    if (accountKey === undefined) return 'foreign';
    const found = ownerOfOutput(output.script, psbt.outputs[index]!, account, accountKey, steps);
    if (found.owner === 'own') change.add(found.at);
    // Another of our signatures may claim the same change: it is ours once, in a transaction that is counted whole.
    return found.owner === 'own' && !whole ? 'foreign' : found.owner;
  };
  const change = new Set<string>();
  const counted = whole ? new Set(spent.keys()) : own;
  const spend: Spend = { psbt, spent, own, counted, account, network, ownerOf, change };
  const digests = sighash(psbt.transaction, spent);
  const inputs = [...own].map((index): OwnInput => {
    const hashType = checkOwnInput(psbt.inputs[index]!, account, index);
    if (!taproot)
      return { index, hashType: SIGHASH_ALL, signing: { algorithm: 'ecdsa', bytes: digests.segwit(index) } };
    const digest = digests.taproot(index, hashType);
    return {
      index,
      hashType,
      signing: { algorithm: 'schnorr', bytes: digest, taprootTweak: new Uint8Array(0) },
    };
  });
  return {
    chain: 'bitcoin',
    effects: checkEffectsSize(spendEffects(spend)),
    signingInputs: inputs.map((input) => input.signing),
    assemble: (signatures) => assemble(spend, inputs, signatures),
  };
}

interface OwnInput {
  readonly index: number;
  readonly hashType: typeof SIGHASH_DEFAULT | typeof SIGHASH_ALL;
  readonly signing: SigningInput;
}

function spendEffects(spend: Spend): Effects {
  const { psbt, spent, own, counted, account, network } = spend;
  const { transaction } = psbt;
  const asset = ASSETS[network];
  const outflows: Outflow[] = [];
  const unresolved: Unresolved[] = [];
  const calls: Call[] = [];
  const owners = transaction.outputs.map((_, index) => spend.ownerOf(index));
  const fee = feeOf(spent, transaction.outputs);
  const given = sum(spent.filter((_, index) => counted.has(index)));
  const kept = sum(transaction.outputs.filter((_, index) => owners[index] === 'own'));
  // In a joint transaction nobody can say whose coins reach which output; none gets more of ours than the address loses.
  const lost = given > kept ? given - kept : 0n;
  const joint = counted.size < spent.length;
  const atMost = (amount: bigint): bigint => (joint && amount > lost ? lost : amount);
  for (const [index, output] of transaction.outputs.entries()) {
    if (owners[index] === 'own') continue;
    const kind = scriptKind(output.script);
    const field = `outputs[${index}]`;
    if (kind === 'data') {
      calls.push({
        target: 'bitcoin',
        name: 'bitcoin.data',
        arguments: { script: hexEncode(output.script.subarray(0, MOST_SHOWN_BYTES)) },
      });
      if (output.amount > 0n)
        outflows.push({
          asset,
          amount: atMost(output.amount),
          from: account.address,
          to: null,
          kind: 'burn',
        });
      continue;
    }
    if (kind === 'other' || kind === 'witness') {
      unresolved.push({
        kind: 'unknown-output-script',
        field,
        detail: hexEncode(output.script.subarray(0, 64)),
      });
    }
    const to = scriptToAddress(output.script, network);
    if (owners[index] === 'out-of-reach') {
      unresolved.push({
        kind: 'change-out-of-reach',
        field,
        detail: 'the change goes to an index at which no wallet looks for it',
        ...(to === null ? {} : { subject: to }),
      });
    }
    outflows.push({
      asset,
      amount: atMost(output.amount),
      from: account.address,
      to,
      kind: to === null ? 'other' : 'transfer',
    });
  }
  const foreign = spent.flatMap((output, index) => {
    return own.has(index)
      ? []
      : [scriptToAddress(output.script, network) ?? `script:${hexEncode(output.script)}`];
  });
  const timed =
    transaction.lockTime >= LOCK_TIME_THRESHOLD &&
    transaction.inputs.some((input) => input.sequence !== FINAL_SEQUENCE);
  const size = BigInt(leastVirtualSize(transaction, counted.size, account.addressFormat));
  calls.push({
    target: 'bitcoin',
    name: 'bitcoin.transaction',
    arguments: {
      inputs: String(transaction.inputs.length),
      ownInputs: String(counted.size),
      outputs: String(transaction.outputs.length),
      given: String(given),
      kept: String(kept),
      fee: String(fee),
      // Rounded up, over the least size that the signed transaction can have.
      feePerVirtualByte: String((fee + size - 1n) / size),
      // In hundredths of a percent of what leaves with it, rounded up.
      feeShare: String(lost === 0n ? 0n : (atMost(fee) * 10_000n + lost - 1n) / lost),
      lockTime: String(transaction.lockTime),
      replaceable: String(transaction.inputs.some((input) => input.sequence < FIRST_FINAL_FOR_REPLACEMENT)),
      // Where other addresses of the account are paid, as branch/index.
      ...(spend.change.size === 0 ? {} : { change: [...spend.change].join(',') }),
    },
  });
  return {
    chain: 'bitcoin',
    network: null,
    version: `psbt${psbt.version}`,
    signers: [...new Set([account.address, ...foreign])],
    feePayer: account.address,
    maxFee: { asset, amount: atMost(fee) },
    outflows,
    grants: [],
    takeovers: [],
    validity: {
      uniqueness: 'utxo',
      // What is counted is lost with these: another signature of ours over the same bytes answers for the others.
      key: transaction.inputs
        .filter((_, index) => counted.has(index))
        .map((input) => `${transactionIdText(input.previousId)}:${input.previousIndex}`)
        .sort()
        .join(','),
      notBefore: timed ? BigInt(transaction.lockTime) : null,
      notAfter: null,
    },
    unresolved,
    calls,
  };
}

function feeOf(spent: readonly TransactionOutput[], outputs: readonly TransactionOutput[]): bigint {
  const paid = sum(spent);
  const received = sum(outputs);
  if (paid > MAX_MONEY) throw new ChainError('transaction-malformed', 'more than 21 million coins', 'inputs');
  if (received > paid)
    throw new ChainError('transaction-malformed', 'the outputs exceed the inputs', 'outputs');
  return paid - received;
}

function sum(outputs: readonly TransactionOutput[]): bigint {
  return outputs.reduce((total, output) => total + output.amount, 0n);
}

function assemble(
  spend: Spend,
  inputs: readonly OwnInput[],
  signatures: readonly RawSignature[],
): { transaction: Uint8Array; signature: Uint8Array; id: () => string | null } {
  if (signatures.length !== inputs.length || signatures.some((signature) => signature.bytes.length !== 64)) {
    throw new TypeError('a PSBT takes one 64-byte signature for each input of the account');
  }
  const maps = [...spend.psbt.inputs];
  const encoded = inputs.map((input, position) => encodeSignature(input, signatures[position]!));
  for (const [position, { index, signing }] of inputs.entries()) {
    const witness =
      signing.algorithm === 'ecdsa' ? [encoded[position]!, spend.account.publicKey] : [encoded[position]!];
    maps[index] = finalise(maps[index]!, witness);
  }
  const psbt = { ...spend.psbt, inputs: maps };
  const transaction = encodePsbt(psbt);
  const complete = maps.every((_, index) => isFinal(psbt, index));
  return {
    transaction,
    signature: encoded[0]!,
    id: () => (complete ? extractTransaction(transaction).id : idOf(spend)),
  };
}

/** The id without the other signatures: it follows when no input has a signature script. */
function idOf({ psbt, spent }: Spend): string | null {
  const native = spent.every((output) => ['p2wpkh', 'p2wsh', 'p2tr'].includes(scriptKind(output.script)));
  return native ? transactionIdText(transactionHash(psbt.transaction)) : null;
}

/** Signature as it stands in the witness: DER and hash type, or BIP-340 with the hash type unless it is the default. */
function encodeSignature({ signing, hashType }: OwnInput, signature: RawSignature): Uint8Array {
  if (signing.algorithm === 'ecdsa') return join([ecdsaDerEncode(signature.bytes), Uint8Array.of(hashType)]);
  return hashType === SIGHASH_DEFAULT ? signature.bytes : join([signature.bytes, Uint8Array.of(hashType)]);
}

const UTXO_TYPES: ReadonlySet<number> = new Set([INPUT.NON_WITNESS_UTXO, INPUT.WITNESS_UTXO]);
const DESCRIBING_TYPES: ReadonlySet<number> = new Set(Object.values(INPUT_V2));

/**
 * One key completes an input of ours: BIP-174 then keeps the previous outputs and the final witness only, BIP-370 what the
 * input is too.
 */
function finalise(map: PsbtMap, witness: readonly Uint8Array[]): PsbtMap {
  const kept = map.filter(({ type }) => UTXO_TYPES.has(type) || DESCRIBING_TYPES.has(type));
  const final: PsbtRecord = {
    type: INPUT.FINAL_SCRIPTWITNESS,
    keyData: new Uint8Array(0),
    value: encodeWitness(witness),
  };
  return [...kept, final];
}
