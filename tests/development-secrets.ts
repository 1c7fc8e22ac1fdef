/** What whoever reads the home of a development deployment has: the unlock keys and the seeds of all roles. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hexDecode } from '@keystead/crypto/hex';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type Genesis, openGenesisRecord } from '@keystead/enclave-runtime/genesis-record';
import { branch, type Role } from '@keystead/protocol/deployment';

/** The key under which the genesis record of a role lies (spec/boot.md §2). */
export function unlockKeyOf(home: string, role: Role): SecretBytes {
  const lines = readFileSync(join(home, 'development/unlock.key'), 'utf8').split('\n');
  const key = lines.find((line) => /^[0-9a-f]{64}$/.test(line));
  if (key === undefined) throw new Error(`${home} does not unlock with a development file`);
  return branch(SecretBytes.take(hexDecode(key)), `keystead/unlock/${role}/v1`);
}

export function genesisOf(home: string, role: Role): Genesis {
  const record = readFileSync(join(home, `genesis/${role}.record`));
  return openGenesisRecord(role, record, unlockKeyOf(home, role));
}
