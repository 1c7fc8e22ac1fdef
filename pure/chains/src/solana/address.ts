import { base58Decode, base58Encode } from '@keystead/crypto/base58';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { Recent } from '@keystead/crypto/recent';
import { sha256 } from '@keystead/crypto/sha256';
import type { AddressFormat } from '../chain.ts';
import { ChainError } from '../error.ts';

/** Address text of an Ed25519 public key (32 bytes): base58 without checksum. */
export function address(publicKey: Uint8Array, format: AddressFormat): string {
  if (format !== 'Solana') {
    throw new ChainError('address-format-unsupported', `Solana has no address format ${format}`);
  }
  if (publicKey.length !== 32) {
    throw new ChainError('address-format-unsupported', 'a Solana address is of an Ed25519 key of 32 bytes');
  }
  return base58Encode(publicKey);
}

/** The 32 bytes of an address. Throws ChainError `address-malformed` unless the text is the only spelling of 32 bytes. */
export function parseAddress(text: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = base58Decode(text, 64);
  } catch {
    throw new ChainError('address-malformed', 'a Solana address is base58 text');
  }
  if (bytes.length !== 32 || base58Encode(bytes) !== text) {
    throw new ChainError('address-malformed', 'a Solana address is base58 of exactly 32 bytes');
  }
  return bytes;
}

const FIELD_PRIME = (1n << 255n) - 19n;
const EDWARDS_D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

/**
 * True when 32 bytes decompress to a point of edwards25519 by the rules of Solana's runtime: the sign bit is ignored
 * and y is reduced. x² = (y²-1)/(dy²+1) has a root exactly when the product of both is zero or a square, and the
 * denominator is never zero because -1/d is not a square (RFC 8032 §5.1.3).
 */
export function isOnCurve(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) throw new RangeError('bytes must have 32 bytes');
  let y = 0n;
  for (let i = 31; i >= 0; i--) y = (y << 8n) | BigInt(i === 31 ? bytes[i]! & 0x7f : bytes[i]!);
  const ySquared = (y * y) % FIELD_PRIME;
  const product = ((ySquared + FIELD_PRIME - 1n) * (EDWARDS_D * ySquared + 1n)) % FIELD_PRIME;
  if (product === 0n) return true;
  let power = 1n;
  let base = product;
  for (let exponent = (FIELD_PRIME - 1n) >> 1n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) power = (power * base) % FIELD_PRIME;
    base = (base * base) % FIELD_PRIME;
  }
  return power === 1n;
}

const DERIVED_ADDRESS_MARKER = utf8Encode('ProgramDerivedAddress');

/**
 * Program-derived address: the first SHA-256 of seeds, bump, program and marker, bump counting down from 255, that is
 * no point of the curve. At most 15 seeds of at most 32 bytes each.
 */
export function findProgramAddress(
  seeds: readonly Uint8Array[],
  program: Uint8Array,
): { address: Uint8Array; bump: number } {
  if (seeds.length > 15 || seeds.some((seed) => seed.length > 32))
    throw new RangeError('too many or too long seeds');
  for (let bump = 255; bump >= 0; bump--) {
    const hash = sha256(concatBytes(...seeds, Uint8Array.of(bump), program, DERIVED_ADDRESS_MARKER));
    if (!isOnCurve(hash)) return { address: hash, bump };
  }
  throw new ChainError('address-malformed', 'no bump gives a program-derived address');
}

const ASSOCIATED_TOKEN_PROGRAM = base58Decode('ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL');

// Deriving costs a few modular exponentiations; a busy wallet asks for the same few accounts again and again.
const derivedAccounts = new Recent<string>(4096);
/** What a derivation is charged, from memory or not: hashes, and one exponentiation for each bump tried. */
export const DERIVATION_STEPS = 500;

/** Address text of the associated token account of `owner` for `mint` under `tokenProgram`; all are address texts. */
export function associatedTokenAddress(owner: string, mint: string, tokenProgram: string): string {
  const key = `${owner} ${mint} ${tokenProgram}`;
  const known = derivedAccounts.get(key);
  if (known !== undefined) return known;
  const seeds = [parseAddress(owner), parseAddress(tokenProgram), parseAddress(mint)];
  const derived = base58Encode(findProgramAddress(seeds, ASSOCIATED_TOKEN_PROGRAM).address);
  derivedAccounts.set(key, derived);
  return derived;
}
