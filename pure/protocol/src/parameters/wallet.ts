import type { AddressFormat, Curve } from '@keystead/chains/chain';
import { KmsError } from '../errors.ts';
import { enumeration, invalid, type Schema } from '../schema.ts';
import type { Surface } from '../surface.ts';
import {
  addressFormat,
  curve,
  curveOfFormat,
  type Derivation,
  defaultAccounts,
  derivations,
} from './derivation.ts';

export type MnemonicLength = 12 | 15 | 18 | 21 | 24;

/** What a wallet is made of: a mnemonic with accounts, or one key. */
export type WalletParameters =
  | {
      readonly type: 'MNEMONIC';
      readonly mnemonicLength: MnemonicLength;
      readonly accounts: readonly Derivation[];
    }
  | { readonly type: 'KEYPAIR'; readonly curve: Curve; readonly addressFormat: AddressFormat };

/** Words of a mnemonic. */
export const mnemonicLength: Schema<MnemonicLength> = enumeration([12, 15, 18, 21, 24] as const);

/**
 * The members that describe a wallet; they stand beside the others of a request. `curve` makes it a single key.
 * Compatibility: `derivationPaths` is another name of `accounts`.
 */
export function walletFields(surface: Surface) {
  const accounts = derivations(surface);
  return {
    accounts,
    ...((surface === 'compatibility' ? { derivationPaths: accounts } : {}) as {
      derivationPaths: typeof accounts;
    }),
    mnemonicLength,
    curve: curve(surface),
    addressFormat,
  };
}

interface WalletFields {
  readonly accounts?: readonly Derivation[];
  readonly derivationPaths?: readonly Derivation[];
  readonly mnemonicLength?: MnemonicLength;
  readonly curve?: Curve;
  readonly addressFormat?: AddressFormat;
}

/** The accounts under either name; null when the request names none. */
export function accountsOf(fields: WalletFields, path: string): readonly Derivation[] | null {
  if (fields.accounts !== undefined && fields.derivationPaths !== undefined) {
    throw invalid(`${path}.derivationPaths`, 'must not stand beside accounts');
  }
  return fields.accounts ?? fields.derivationPaths ?? null;
}

/** Normalises the members of `walletFields`; a mnemonic of 24 words with the default accounts when none is given. */
export function walletParameters(fields: WalletFields, path: string): WalletParameters {
  const accounts = accountsOf(fields, path);
  if (fields.curve === undefined) {
    if (fields.addressFormat !== undefined) throw invalid(`${path}.addressFormat`, 'needs curve beside it');
    return {
      type: 'MNEMONIC',
      mnemonicLength: fields.mnemonicLength ?? 24,
      accounts: accounts ?? defaultAccounts,
    };
  }
  if (accounts !== null)
    throw invalid(`${path}.accounts`, 'must not stand beside curve: a single key has one account');
  if (fields.mnemonicLength !== undefined)
    throw invalid(`${path}.mnemonicLength`, 'must not stand beside curve');
  const format = fields.addressFormat ?? (fields.curve === 'Ed25519' ? 'Solana' : 'Ethereum');
  if (curveOfFormat[format] !== fields.curve) {
    throw new KmsError('curve-mismatch', {
      field: `${path}.addressFormat`,
      detail: `${format} addresses have no ${fields.curve} key`,
    });
  }
  return { type: 'KEYPAIR', curve: fields.curve, addressFormat: format };
}
