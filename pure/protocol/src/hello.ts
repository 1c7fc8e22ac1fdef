import { fixed, type Static, struct, text, u32 } from '@keystead/crypto/pack';

/**
 * First frame on every stream between an enclave and the gateway, written by the launcher before it hands the
 * stream over (spec/boot.md §4). It routes; it proves nothing, because the gateway trusts no stream.
 */
export const Hello = struct({
  /** `policy`, `signer` or `certifier`. */
  role: text(16),
  /** Of the running program: `measurementPreimage` of measurement.ts, SHA-384. */
  measurement: fixed(48),
  pid: u32,
});
export type Hello = Static<typeof Hello>;
