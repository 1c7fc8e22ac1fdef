import type { AddressFormat, Curve } from '@keystead/chains/chain';
import { infer } from '@keystead/chains/registry';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { HARDENED, parsePath } from '@keystead/crypto/derivation-path';
import { Recent } from '@keystead/crypto/recent';
import { KmsError, toKmsError } from '../errors.ts';
import { array, enumeration, invalid, object, oneOf, type Schema, string, transform } from '../schema.ts';
import type { Surface } from '../surface.ts';

/** Which account of a wallet: the path below its seed, the curve, and how the address is written. */
export interface Derivation {
  readonly curve: Curve;
  readonly derivationPath: string;
  readonly addressFormat: AddressFormat;
}

const addressFormats = ['Solana', 'Ethereum', 'BitcoinSegwit', 'BitcoinTaproot', 'Sui'] as const;

/** The curve that keys behind an address format have. */
export const curveOfFormat: Readonly<Record<AddressFormat, Curve>> = {
  Solana: 'Ed25519',
  Ethereum: 'Secp256k1',
  BitcoinSegwit: 'Secp256k1',
  BitcoinTaproot: 'Secp256k1',
  Sui: 'Ed25519',
};

export const addressFormat: Schema<AddressFormat> = enumeration(addressFormats);

/** Native: Ed25519 or Secp256k1. Compatibility: also K256, the older name of Secp256k1. */
export function curve(surface: Surface): Schema<Curve> {
  if (surface === 'native') return enumeration(['Ed25519', 'Secp256k1']);
  return transform(enumeration(['Ed25519', 'Secp256k1', 'K256']), (value) =>
    value === 'K256' ? 'Secp256k1' : value,
  );
}

const maxPathLength = 128;
const written = /^m(?:\/(?:0|[1-9][0-9]{0,9})'?)+$/;

/** A path in its one written form, `m/44'/501'/0'/0'`; refused with `derivation-path-invalid`. */
export const derivationPath: Schema<string> = {
  ...transform(string({ max: maxPathLength }), (value, path) => {
    const refusal = (cause?: unknown) =>
      new KmsError('derivation-path-invalid', {
        field: path,
        detail: `${path} is not a derivation path`,
        cause,
      });
    if (!written.test(value)) throw refusal();
    try {
      parsePath(value);
    } catch (error) {
      if (error instanceof CryptoError || error instanceof RangeError) throw refusal(error);
      throw error;
    }
    return value;
  }),
  toJSONSchema: () => ({ type: 'string', pattern: written.source, maxLength: maxPathLength }),
};

const everyLevelHardened = (path: string): boolean => parsePath(path).every((index) => index >= HARDENED);

type Inferred = { readonly curve: Curve; readonly addressFormat: AddressFormat };

function inferred(path: string): Inferred | KmsError {
  const known = inferences.get(path);
  if (known !== undefined) return known;
  try {
    const found = Object.freeze(infer(path));
    inferences.set(path, found);
    return found;
  } catch (error) {
    return toKmsError(error);
  }
}

// The same few paths come with every request.
const inferences = new Recent<Inferred>(1024);

function checked(derivation: Derivation, path: string): Derivation {
  const mismatch = (field: string, detail: string) =>
    new KmsError('curve-mismatch', { field: `${path}.${field}`, detail });
  if (curveOfFormat[derivation.addressFormat] !== derivation.curve) {
    throw mismatch('addressFormat', `${derivation.addressFormat} addresses have no ${derivation.curve} key`);
  }
  const customary = inferred(derivation.derivationPath);
  if (!(customary instanceof KmsError) && customary.curve !== derivation.curve) {
    throw mismatch('curve', `${derivation.derivationPath} belongs to ${customary.curve}`);
  }
  if (derivation.curve === 'Ed25519' && !everyLevelHardened(derivation.derivationPath)) {
    throw new KmsError('derivation-path-invalid', {
      field: `${path}.derivationPath`,
      detail: `${derivation.derivationPath} has a level that is not hardened`,
    });
  }
  return derivation;
}

const fromPath: Schema<Derivation> = transform(derivationPath, (text, path) => {
  const found = inferred(text);
  if (found instanceof KmsError)
    throw new KmsError(found.code, { field: path, detail: found.detail, cause: found });
  return checked({ curve: found.curve, derivationPath: text, addressFormat: found.addressFormat }, path);
});

const fromObject = (surface: Surface): Schema<Derivation> =>
  transform(object({ required: { derivationPath, curve: curve(surface), addressFormat } }), checked);

/** A bare path, from which curve and address format follow, or the three members. Both forms on both surfaces. */
export function derivation(surface: Surface): Schema<Derivation> {
  return oneOf(fromPath, fromObject(surface));
}

/** At most 64 different accounts. */
export function derivations(surface: Surface): Schema<readonly Derivation[]> {
  return transform(array(derivation(surface), { max: 64 }), (list, path) => {
    const seen = new Set<string>();
    for (const [index, item] of list.entries()) {
      const key = `${item.derivationPath} ${item.addressFormat}`;
      if (seen.has(key)) throw invalid(`${path}[${index}]`, 'repeats an account');
      seen.add(key);
    }
    return list;
  });
}

/** The accounts of a new mnemonic wallet when the request names none: index 0 of each chain. */
export const defaultAccounts: readonly Derivation[] = [
  { curve: 'Ed25519', derivationPath: "m/44'/501'/0'/0'", addressFormat: 'Solana' },
  { curve: 'Secp256k1', derivationPath: "m/44'/60'/0'/0/0", addressFormat: 'Ethereum' },
  { curve: 'Secp256k1', derivationPath: "m/84'/0'/0'/0", addressFormat: 'BitcoinSegwit' },
  { curve: 'Ed25519', derivationPath: "m/44'/784'/0'/0'/0'", addressFormat: 'Sui' },
];
