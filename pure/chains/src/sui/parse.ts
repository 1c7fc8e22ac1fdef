import { base58Encode } from '@keystead/crypto/base58';
import { blake2b256 } from '@keystead/crypto/blake2b';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import type { ParseContext, ParsedTransaction, RawSignature, SigningAccount } from '../chain.ts';
import { checkEffectsSize } from '../effects-size.ts';
import { ChainError } from '../error.ts';
import { StepBudget } from '../step-budget.ts';
import { ED25519_FLAG, address, addressText } from './address.ts';
import { readCommands } from './commands.ts';
import { decodeWithIntent, transactionDigest } from './message.ts';
import { SUI } from './asset.ts';

const MOST_STEPS = 60_000;
const TRANSACTION_DIGEST_DOMAIN = utf8Encode('TransactionData::');

/**
 * Effects and signing input of BCS TransactionData, with or without the intent prefix. The signing input is the
 * 32-byte digest. Throws ChainError `transaction-malformed`, `transaction-version-unsupported`,
 * `transaction-not-understood`, `transaction-not-ours` or `transaction-too-complex`.
 */
export function parseTransaction(
  bytes: Uint8Array,
  account: SigningAccount,
  context: ParseContext = {},
): ParsedTransaction {
  const steps = context.steps ?? new StepBudget(MOST_STEPS);
  steps.spend(1 + (bytes.length >> 2));
  const { transactionBytes, transaction } = decodeWithIntent(bytes);
  const ours = address(account.publicKey, 'Sui');
  const sender = addressText(transaction.sender);
  const gasOwner = addressText(transaction.gas.owner);
  if (sender !== ours && gasOwner !== ours) {
    throw new ChainError('transaction-not-ours', 'our address is neither sender nor gas owner', 'sender');
  }
  const { outflows, unresolved, calls } = readCommands(transaction, ours, steps, context);
  // Other objects may be immutable, and then any number of transactions use them at the same version. The coins of a
  // sponsor are its own: what we lose as sender is another loss than what they lose.
  const gasCoins =
    gasOwner === ours
      ? transaction.gas.payment.map((reference) => `${addressText(reference.id)}@${reference.version}`)
      : [];
  return {
    chain: 'sui',
    effects: checkEffectsSize({
      chain: 'sui',
      network: null,
      version: 'sui-v1',
      signers: sender === gasOwner ? [sender] : [sender, gasOwner],
      feePayer: gasOwner,
      maxFee: { asset: SUI, amount: transaction.gas.budget },
      outflows,
      grants: [],
      takeovers: [],
      validity: { uniqueness: 'object-version', key: gasCoins.join(','), notBefore: null, notAfter: null },
      unresolved,
      calls,
    }),
    signingInputs: [{ algorithm: 'ed25519', bytes: transactionDigest(transactionBytes) }],
    assemble(signatures: readonly RawSignature[]) {
      const signature = signatures[0]?.bytes;
      if (signatures.length !== 1 || signature?.length !== 64) {
        throw new RangeError('one Ed25519 signature of 64 bytes is needed');
      }
      return {
        transaction: transactionBytes,
        signature: concatBytes(Uint8Array.of(ED25519_FLAG), signature, account.publicKey),
        id: () => base58Encode(blake2b256(concatBytes(TRANSACTION_DIGEST_DOMAIN, transactionBytes))),
      };
    },
  };
}
