import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import {
  addScalars,
  elementFromBytes,
  elementToBytes,
  multiplyBase,
  multiplyPublic,
  multiplyScalars,
  portableGroup,
  type RistrettoGroup,
  scalarFromBytes,
  scalarFromWide,
  scalarToBytes,
  subtractElements,
} from '@keystead/crypto/ristretto255';
import { sha512 } from '@keystead/crypto/sha512';

/**
 * Chaum-Pedersen proof that a blinded result was made with the private key of a public key: log_G(v) = log_u(w), made
 * non-interactive, in the short form of challenge and response (spec/realm.md §2.2).
 */

const domain = utf8Encode('Juicebox_DLEQ_2023_1;');

export interface OprfProof {
  readonly c: Uint8Array;
  readonly betaZ: Uint8Array;
}

/** The public side: `publicKey` v exactly as it is stored, `input` u and `result` w blinded. */
export interface ProofStatement {
  readonly publicKey: Uint8Array;
  readonly input: Uint8Array;
  readonly result: Uint8Array;
}

/** `nonce` is a fresh random scalar other than zero: used twice, it gives the private key away. */
export function proveEvaluation(
  privateKey: bigint,
  statement: ProofStatement,
  nonce: bigint,
  group: RistrettoGroup = portableGroup,
): OprfProof {
  if (nonce === 0n) throw new RangeError('the nonce must not be zero');
  const vt = group.multiplyBase(nonce);
  const wt = group.multiply(statement.input, nonce);
  const c = challenge(statement, vt, wt);
  const betaZ = addScalars(nonce, multiplyScalars(privateKey, c));
  return { c: scalarToBytes(c), betaZ: scalarToBytes(betaZ) };
}

/** Whether the proof holds. Malformed scalars and elements, and the identity, give false. */
export function verifyEvaluation(statement: ProofStatement, proof: OprfProof): boolean {
  try {
    const c = scalarFromBytes(proof.c);
    const z = scalarFromBytes(proof.betaZ);
    const u = elementFromBytes(statement.input);
    const v = elementFromBytes(statement.publicKey);
    const w = elementFromBytes(statement.result);
    const vt = subtractElements(multiplyBase(z), multiplyPublic(v, c));
    const wt = subtractElements(multiplyPublic(u, z), multiplyPublic(w, c));
    return challenge(statement, elementToBytes(vt), elementToBytes(wt)) === c;
  } catch (error) {
    if (error instanceof CryptoError) return false;
    throw error;
  }
}

function challenge({ publicKey, input, result }: ProofStatement, vt: Uint8Array, wt: Uint8Array): bigint {
  return scalarFromWide(sha512(concatBytes(domain, input, publicKey, result, vt, wt)));
}
