import { equalBytes } from '@keystead/crypto/bytes';
import { verify } from '@keystead/crypto/ed25519';
import { stampedBytes } from '@keystead/juicebox/device-stamp';

/** spec/realm.md §9.1. */

/** What came with a request: the bytes that were stamped are known but for the challenge, which the record has. */
export interface DeviceStamp {
  readonly deviceKey: Uint8Array;
  readonly signature: Uint8Array;
  readonly realmId: Uint8Array;
  readonly token: string;
  /** The encoded request inside. */
  readonly request: Uint8Array;
}

export type StampRefusal =
  | 'device-stamp-missing'
  | 'device-stamp-needed'
  | 'device-key-other'
  | 'device-stamp-refused';

/**
 * Why a request is not taken; undefined when it is, also because nothing asks for a stamp. The key that the token confirms goes
 * before that of the registration.
 */
export function judgeStamp(
  stamp: DeviceStamp | undefined,
  record: {
    readonly confirmedKey: Uint8Array | undefined;
    readonly boundKey: Uint8Array | undefined;
    readonly challenge: Uint8Array;
  },
): StampRefusal | undefined {
  const key = record.confirmedKey ?? record.boundKey;
  if (key === undefined) return undefined;
  if (stamp === undefined) return 'device-stamp-missing';
  if (!equalBytes(stamp.deviceKey, key)) return 'device-key-other';
  const message = stampedBytes({ ...stamp, challenge: record.challenge });
  return verify(key, message, stamp.signature) ? undefined : 'device-stamp-refused';
}
