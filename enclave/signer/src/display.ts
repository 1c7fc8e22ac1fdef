import { parseStrictJson } from '@keystead/crypto/strict-json';
import { derivations } from '@keystead/protocol/parameters/derivation';
import { array, type Infer, object, string } from '@keystead/protocol/schema';
import { within } from './refusal.ts';

/** What a ticket lets an answer show besides the signer's own figures (spec/signer.md §3.2). */
const display = object({
  optional: {
    walletName: string({ max: 64 }),
    tags: array(string({ max: 64 }), { max: 64 }),
    accounts: derivations('native'),
    grant: string({ max: 64 }),
    allowed: string({ max: 1024 }),
  },
});
export type Display = Infer<typeof display>;

/** What a ticket shows. Throws the refusal of check 18 for anything but such an object. */
export type DisplayOf = () => Display;

/** The display of a ticket, read when an answer shows something of it and not before: a signature shows nothing. */
export function displayOf(bytes: Uint8Array): DisplayOf {
  let read: Display | undefined;
  return () => (read ??= within('key-use', () => parseDisplay(bytes)));
}

/** Empty bytes show nothing. */
function parseDisplay(bytes: Uint8Array): Display {
  if (bytes.length === 0) return {};
  return display.parse(parseStrictJson(bytes, { maxBytes: 65_536, maxDepth: 4 }), 'display');
}
