import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { branch, type Role } from '@keystead/protocol/deployment';

/** The key of one role's genesis record: no role's key yields another's. The caller wipes it. */
export function unlockKeyOf(unlockSecret: SecretBytes, role: Role): SecretBytes {
  return branch(unlockSecret, `keystead/unlock/${role}/v1`);
}
