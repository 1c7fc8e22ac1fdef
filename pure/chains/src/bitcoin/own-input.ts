import { equalBytes } from '@keystead/crypto/bytes';
import type { SigningAccount } from '../chain.ts';
import { ChainError } from '../error.ts';
import { readUint32 } from './byte-reader.ts';
import { GLOBAL, INPUT, type Psbt, readTapDerivation } from './psbt.ts';
import { findRecord, type PsbtMap } from './psbt-map.ts';
import { GLOBAL_V2, INPUT_V2 } from './psbt-v2.ts';
import { SIGHASH_ALL, SIGHASH_DEFAULT } from './sighash.ts';

const GLOBAL_TYPES: ReadonlySet<number> = new Set([...Object.values(GLOBAL), ...Object.values(GLOBAL_V2)]);
const SIGNATURE_TYPES: ReadonlySet<number> = new Set([
  INPUT.PARTIAL_SIG,
  INPUT.FINAL_SCRIPTSIG,
  INPUT.FINAL_SCRIPTWITNESS,
  INPUT.TAP_KEY_SIG,
  INPUT.TAP_SCRIPT_SIG,
]);
const UTXO_TYPES = [
  INPUT.NON_WITNESS_UTXO,
  INPUT.WITNESS_UTXO,
  INPUT.SIGHASH_TYPE,
  // The decoder lets them stand in version 2 only.
  ...Object.values(INPUT_V2),
];
const SEGWIT_TYPES: ReadonlySet<number> = new Set([...UTXO_TYPES, INPUT.BIP32_DERIVATION]);
const TAPROOT_TYPES: ReadonlySet<number> = new Set([
  ...UTXO_TYPES,
  INPUT.TAP_BIP32_DERIVATION,
  INPUT.TAP_INTERNAL_KEY,
]);

/**
 * Rules for what the whole transaction is.
 * @throws ChainError `transaction-version-unsupported`, `transaction-not-understood`, `transaction-malformed`
 */
export function checkGlobal(psbt: Psbt): void {
  const { version, outputs } = psbt.transaction;
  if (version < 1 || version > 3) {
    throw new ChainError(
      'transaction-version-unsupported',
      `transaction version ${version} is not signed here`,
      'version',
    );
  }
  if (outputs.length === 0)
    throw new ChainError('transaction-malformed', 'the transaction has no output', 'outputs');
  for (const { type } of psbt.global) {
    if (!GLOBAL_TYPES.has(type)) {
      throw new ChainError(
        'transaction-not-understood',
        `a global record of type ${type} is unknown`,
        'global',
      );
    }
  }
}

/**
 * Rules for an input that the account signs: nothing but the key path, no signature yet, a hash type that commits to
 * everything. Returns the hash type.
 * @throws ChainError `transaction-already-signed`, `transaction-not-understood`, `transaction-unsafe`
 */
export function checkOwnInput(
  map: PsbtMap,
  account: SigningAccount,
  index: number,
): typeof SIGHASH_DEFAULT | typeof SIGHASH_ALL {
  const field = `inputs[${index}]`;
  const taproot = account.addressFormat === 'BitcoinTaproot';
  const key = taproot ? account.publicKey.subarray(1) : account.publicKey;
  for (const { type, keyData, value } of map) {
    if (SIGNATURE_TYPES.has(type)) {
      throw new ChainError('transaction-already-signed', 'an input of the account has a signature', field);
    }
    if (!(taproot ? TAPROOT_TYPES : SEGWIT_TYPES).has(type)) {
      throw new ChainError(
        'transaction-not-understood',
        `a record of type ${type} has no meaning for this input`,
        field,
      );
    }
    const derives = type === INPUT.BIP32_DERIVATION || type === INPUT.TAP_BIP32_DERIVATION;
    if (
      (derives && !equalBytes(keyData, key)) ||
      (type === INPUT.TAP_INTERNAL_KEY && !equalBytes(value, key))
    ) {
      throw new ChainError('transaction-not-understood', 'an input of the account names another key', field);
    }
    if (type === INPUT.TAP_BIP32_DERIVATION && readTapDerivation(value).length > 0) {
      throw new ChainError(
        'transaction-not-understood',
        'an input of the account names a script path',
        field,
      );
    }
  }
  const record = findRecord(map, INPUT.SIGHASH_TYPE);
  const hashType = record === undefined ? undefined : readUint32(record);
  if (taproot && (hashType === undefined || hashType === SIGHASH_DEFAULT)) return SIGHASH_DEFAULT;
  if (hashType === SIGHASH_ALL || (!taproot && hashType === undefined)) return SIGHASH_ALL;
  throw new ChainError(
    'transaction-unsafe',
    'the hash type does not commit to every input and output',
    `${field}.sighashType`,
  );
}
