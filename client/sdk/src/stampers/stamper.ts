/** Names of the algorithms in `alg` of Signature-Input (spec/stamp.md §3). */
export type StampAlgorithm = 'ed25519' | 'ecdsa-p256-sha256' | 'webauthn-p256';

/** A key that never leaves its holder. Every kind of key stamps through this. */
export interface Stamper {
  readonly algorithm: StampAlgorithm;
  /** Ed25519: 32 bytes. P-256: 65 bytes, uncompressed. */
  readonly publicKey: Uint8Array;
  /**
   * Signature of a signature base. Ed25519 over the bytes; P-256: r then s of ECDSA over their SHA-256; a passkey: the
   * encoded PasskeyAssertion whose challenge is their SHA-256.
   */
  sign(message: Uint8Array): Promise<Uint8Array>;
}
