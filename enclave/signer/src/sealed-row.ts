import { utf8Encode } from '@keystead/crypto/bytes';
import { bytes, fixed, type Static, struct, u8 } from '@keystead/crypto/pack';
import { Recent } from '@keystead/crypto/recent';
import type { Curve } from '@keystead/chains/chain';
import { domainHash } from '@keystead/protocol/domain';
import { KeyConstraints } from '@keystead/protocol/key-constraints';

/** spec/signer.md §5: the body of a sealed wallet row; its wrapping is in @keystead/protocol/sealed-row. */

export const bodyVersion = 4;

/** Accounts that are sealed beside the secret, so that signing opens nothing but the key it needs. */
export const maximumSealedAccounts = 16;

const labelBytes = 16;
const nonceBytes = 12;
/** Private key, public key of 65 bytes (Ed25519: 32 and zeros), tag. */
const accountCiphertextBytes = 32 + 65 + 16;
const accountBytes = labelBytes + nonceBytes + accountCiphertextBytes;

export const SealedBody = struct({
  version: u8,
  walletId: fixed(16),
  kind: u8,
  constraints: KeyConstraints,
  nonce: fixed(12),
  ciphertext: bytes(256),
  /** `SealedAccount`s one after the other. */
  accounts: bytes(maximumSealedAccounts * accountBytes),
});
export type SealedBody = Static<typeof SealedBody>;

export interface SealedAccount {
  /** 16 bytes, `accountLabel`. */
  readonly label: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
}

export function encodeSealedAccounts(accounts: readonly SealedAccount[]): Uint8Array {
  const out = new Uint8Array(accounts.length * accountBytes);
  for (const [index, { label, nonce, ciphertext }] of accounts.entries()) {
    const at = index * accountBytes;
    out.set(label, at);
    out.set(nonce, at + labelBytes);
    out.set(ciphertext, at + labelBytes + nonceBytes);
  }
  return out;
}

/** The account with a label; undefined when the row has none. */
export function findSealedAccount(accounts: Uint8Array, label: Uint8Array): SealedAccount | undefined {
  for (let at = 0; at + accountBytes <= accounts.length; at += accountBytes) {
    if (!hasLabel(accounts, at, label)) continue;
    const nonce = accounts.slice(at + labelBytes, at + labelBytes + nonceBytes);
    return { label, nonce, ciphertext: accounts.slice(at + labelBytes + nonceBytes, at + accountBytes) };
  }
  return undefined;
}

function hasLabel(accounts: Uint8Array, at: number, label: Uint8Array): boolean {
  for (let i = 0; i < labelBytes; i++) if (accounts[at + i] !== label[i]) return false;
  return true;
}

const labels = new Recent<Uint8Array>(1024);

/** Names an account in a row: 16 bytes of a hash of curve and path; the path is null for the one account of a single key. */
export function accountLabel(curve: Curve, derivationPath: string | null): Uint8Array {
  const text = `${curve} ${derivationPath ?? ''}`;
  let label = labels.get(text);
  if (label === undefined) {
    label = domainHash('keystead/sealed-account-label/v1', utf8Encode(text)).slice(0, labelBytes);
    labels.set(text, label);
  }
  return label;
}
