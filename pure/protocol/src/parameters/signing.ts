import { KmsError } from '../errors.ts';
import { enumeration, type Schema, string, transform } from '../schema.ts';
import type { Surface } from '../surface.ts';
import { type Derivation, derivation } from './derivation.ts';
import { id, name } from './text.ts';

export const signingAlgorithms = [
  'Ed25519',
  'Secp256r1',
  'Secp256k1',
  'Secp256k1Keccak256',
  'Secp256k1Schnorr',
] as const;

/**
 * Ed25519 over the bytes; Secp256r1 and Secp256k1: ECDSA over SHA-256; Secp256k1Keccak256: ECDSA over Keccak-256;
 * Secp256k1Schnorr: BIP-340 over SHA-256 of the bytes.
 */
export type SigningAlgorithm = (typeof signingAlgorithms)[number];

/** Members that every signing method has. */
export interface SigningParams {
  readonly organizationId: string;
  readonly walletId: string;
  /** Null for the one account of a single-key wallet. */
  readonly derivation: Derivation | null;
  /** Names the grant to act under, where several stand. */
  readonly policyName: string | null;
}

export const signingRequired = (surface: Surface) => ({ organizationId: id(surface), walletId: id(surface) });
export const signingOptional = (surface: Surface) => ({
  derivationInfo: derivation(surface),
  policyName: name,
});

/** The shared members, normalised. */
export function signingParams(value: {
  readonly organizationId: string;
  readonly walletId: string;
  readonly derivationInfo?: Derivation;
  readonly policyName?: string;
}): SigningParams {
  return {
    organizationId: value.organizationId,
    walletId: value.walletId,
    derivation: value.derivationInfo ?? null,
    policyName: value.policyName ?? null,
  };
}

/** Native: exact. Compatibility: in any case. */
export function signingAlgorithm(surface: Surface): Schema<SigningAlgorithm> {
  const exact = enumeration(signingAlgorithms);
  if (surface === 'native') return exact;
  const anyCase = transform(string({ max: 32 }), (text, path) =>
    exact.parse(signingAlgorithms.find((known) => known.toLowerCase() === text.toLowerCase()) ?? text, path),
  );
  return {
    ...anyCase,
    toJSONSchema: () => ({ enum: signingAlgorithms, description: 'in any case; Ed25519 when absent' }),
  };
}

/** Refuses an algorithm that cannot be used with the curve of the account. Secp256r1 keys derive from any path. */
export function checkAlgorithm(algorithm: SigningAlgorithm, account: Derivation | null): void {
  if (account === null || algorithm === 'Secp256r1') return;
  if ((algorithm === 'Ed25519') !== (account.curve === 'Ed25519')) {
    throw new KmsError('curve-mismatch', {
      field: 'params.algorithm',
      detail: `${algorithm} does not sign with a ${account.curve} key`,
    });
  }
}
