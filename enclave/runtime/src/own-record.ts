import { equalBytes } from '@keystead/crypto/bytes';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { Role } from '@keystead/protocol/deployment';
import { type Genesis, openGenesisRecord } from './genesis-record.ts';
import { Withheld } from './seed-halves.ts';

/** The record of a role that is open, from disk. Throws Withheld unless it opens under this key and has this seed. */
export function openOwnRecord(options: {
  readonly role: Role;
  readonly record: Uint8Array;
  readonly unlockKey: SecretBytes;
  readonly seed: SecretBytes;
}): Genesis {
  const { role, record, unlockKey, seed } = options;
  let read: Genesis;
  try {
    read = openGenesisRecord(role, record, unlockKey);
  } catch {
    throw new Withheld('record-refused');
  }
  if (equalBytes(read.seed.expose(), seed.expose())) return read;
  read.seed.wipe();
  throw new Withheld('record-foreign');
}
