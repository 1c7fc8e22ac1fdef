import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { bytes, fixed, option, type Static, struct, u8, u53 } from '@keystead/crypto/pack';
import { pinHashing } from '@keystead/juicebox/stretched-pin';
import type { Stretch } from '../recovery/argon2.ts';

/** What a device checks a PIN against without asking a realm, and when it asks its person again. */

const Verifier = struct({ salt: fixed(16), hash: fixed(32) });
type Verifier = Static<typeof Verifier>;

const members = {
  version: u8,
  verifier: option(Verifier),
  /** Of a change that may not have come to its end: the generation that it was for, and the verifier of its PIN. */
  pending: option(struct({ generation: bytes(16), verifier: Verifier })),
  /** How many reminders in a row were answered with the right PIN. */
  confirmed: u8,
  /** When to ask next; milliseconds since 1970. */
  dueAt: u53,
};
const RecordOfVersion1 = struct(members);
export const PinRecord = struct({
  ...members,
  /** The generation whose PIN the verifier is of: of another one that is in use the device does not know the PIN. */
  generation: option(fixed(16)),
});
export type PinRecord = Static<typeof PinRecord>;
export const pinRecordVersion = 2;

export function decodePinRecord(encoded: Uint8Array): PinRecord {
  if (encoded[0] === pinRecordVersion) return PinRecord.decode(encoded);
  return { ...RecordOfVersion1.decode(encoded), version: pinRecordVersion, generation: undefined };
}

const day = 24 * 60 * 60 * 1000;
/** Days until the next reminder, after 0, 1, 2 and more right answers in a row. */
export const reminderDays: readonly number[] = [1, 3, 7, 30];

export function dueAfter(confirmed: number, now: number): number {
  return now + reminderDays[Math.min(confirmed, reminderDays.length - 1)]! * day;
}

export async function makeVerifier(
  pin: string,
  stretch: Stretch,
  random: (length: number) => Uint8Array,
): Promise<Verifier> {
  const salt = random(16);
  return { salt, hash: await hashOf(pin, salt, stretch) };
}

export async function isPinOf(pin: string, verifier: Verifier, stretch: Stretch): Promise<boolean> {
  return equalBytes(await hashOf(pin, verifier.salt, stretch), verifier.hash);
}

async function hashOf(pin: string, salt: Uint8Array, stretch: Stretch): Promise<Uint8Array> {
  const pinBytes = utf8Encode(pin);
  const stretched = await stretch({ pin: pinBytes, salt, ...pinHashing.Standard2019 });
  const hash = stretched.slice(0, 32);
  stretched.fill(0);
  pinBytes.fill(0);
  return hash;
}
