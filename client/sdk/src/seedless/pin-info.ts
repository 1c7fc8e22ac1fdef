import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { domainPrefix } from '@keystead/protocol/domain';
import type { GenerationName } from './sealed-seed.ts';

/**
 * What a generation's PIN is stretched with (spec/backup.md §2), for realms to be asked with. It holds the keeper's pepper: without it
 * nobody can tell one PIN from another, whatever realms keep. The caller wipes it.
 */
export function pinInfo(
  { organization, backupName, generation }: GenerationName,
  pepper: Uint8Array,
): Uint8Array {
  return concatBytes(
    domainPrefix('keystead/pin-info/v1'),
    organization,
    generation,
    pepper,
    utf8Encode(backupName),
  );
}
