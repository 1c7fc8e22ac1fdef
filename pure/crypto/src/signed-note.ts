import { base64Decode, base64Encode } from './base64.ts';
import { assertBytes, concatBytes, equalBytes, utf8Encode } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';
import { privateKey, verify } from './ed25519.ts';
import { hexEncode } from './hex.ts';
import { sha256 } from './sha256.ts';

/**
 * Signed notes (C2SP signed-note) with Ed25519 keys (signature type 0x01), and the checkpoints of transparency logs (C2SP
 * tlog-checkpoint) that they carry.
 */

/** A name and an Ed25519 public key (32 bytes) whose signature on a note counts. */
export interface NoteVerifier {
  readonly name: string;
  readonly publicKey: Uint8Array;
}

/** The text of an opened note, and which of the given verifiers signed it. */
export interface OpenedNote {
  readonly text: string;
  readonly signers: readonly NoteVerifier[];
}

const ED25519 = 1;
const MAX_SIGNATURES = 100;
const MAX_LENGTH = 1_000_000;

/** Key id: first 4 bytes of SHA-256(name ‖ newline ‖ 0x01 ‖ public key). */
export function noteKeyId(name: string, key: Uint8Array): Uint8Array {
  assertName(name);
  assertBytes('key', key, 32);
  return sha256(concatBytes(utf8Encode(`${name}\n`), Uint8Array.of(ED25519), key)).slice(0, 4);
}

/** Verifier key text: `name+key id in hexadecimal+base64(0x01 ‖ public key)`. */
export function formatVerifierKey(verifier: NoteVerifier): string {
  const id = hexEncode(noteKeyId(verifier.name, verifier.publicKey));
  return `${verifier.name}+${id}+${base64Encode(concatBytes(Uint8Array.of(ED25519), verifier.publicKey))}`;
}

/** Strict inverse of `formatVerifierKey`. CryptoError `note-malformed` for other key types and a wrong key id too. */
export function parseVerifierKey(text: string): NoteVerifier {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  // Base64 may hold more plus signs; the name holds none.
  const matched = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/s.exec(text);
  if (matched === null) throw new CryptoError('note-malformed', 'verifier key');
  const [, name, id, encoded] = matched as unknown as [string, string, string, string];
  if (!isName(name)) throw new CryptoError('note-malformed', 'verifier key');
  let key: Uint8Array;
  try {
    key = base64Decode(encoded);
  } catch {
    throw new CryptoError('note-malformed', 'verifier key');
  }
  if (key.length !== 33 || key[0] !== ED25519) throw new CryptoError('note-malformed', 'verifier key type');
  const verifier = { name, publicKey: key.slice(1) };
  if (hexEncode(noteKeyId(name, verifier.publicKey)) !== id)
    throw new CryptoError('note-malformed', 'verifier key id');
  return verifier;
}

/** Makes signature lines, newline included, of one name with one key. */
export type NoteSigner = (text: string) => string;

/** For whoever signs many notes: the key of a 32-byte seed is read once. */
export function noteSigner(name: string, seed: Uint8Array): NoteSigner {
  assertName(name);
  const key = privateKey(seed);
  const id = noteKeyId(name, key.publicKey);
  return (text) => {
    assertText(text);
    return `\u2014 ${name} ${base64Encode(concatBytes(id, key.sign(utf8Encode(text))))}\n`;
  };
}

/** The signature line, newline included, of `name` with the key of a 32-byte seed over a note text. */
export function noteSignatureLine(name: string, seed: Uint8Array, text: string): string {
  return noteSigner(name, seed)(text);
}

/** A note with one signature. `text` ends with a newline and holds no other control characters, else RangeError. */
export function signNote(name: string, seed: Uint8Array, text: string): string {
  return `${text}\n${noteSignatureLine(name, seed, text)}`;
}

/**
 * The text of a note that at least one of `verifiers` signed. Signatures by unknown keys are ignored; a signature under a
 * known name and key id that does not verify spoils the whole note. CryptoError
 * `note-malformed` for the form, `note-unverified` for the signatures.
 */
export function openNote(note: string, verifiers: readonly NoteVerifier[]): OpenedNote {
  if (typeof note !== 'string') throw new TypeError('note must be a string');
  if (note.length > MAX_LENGTH) throw malformed('too long');
  if (!note.isWellFormed() || hasControls(note)) throw malformed('character');
  // The signatures follow the last empty line; the text may hold earlier ones.
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) throw malformed('no signatures');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split('\n');
  if (split + 2 >= note.length || lines.length > MAX_SIGNATURES) throw malformed('number of signatures');
  const known = new Map<string, NoteVerifier>();
  for (const verifier of verifiers) {
    const handle = `${verifier.name} ${hexEncode(noteKeyId(verifier.name, verifier.publicKey))}`;
    const other = known.get(handle);
    if (other !== undefined && !equalBytes(other.publicKey, verifier.publicKey))
      throw new RangeError('ambiguous key id');
    known.set(handle, verifier);
  }
  const message = utf8Encode(text);
  const signers: NoteVerifier[] = [];
  for (const line of lines) {
    const { name, blob } = parseSignatureLine(line);
    const verifier = known.get(`${name} ${hexEncode(blob.subarray(0, 4))}`);
    if (verifier === undefined) continue;
    if (!verify(verifier.publicKey, message, blob.subarray(4))) throw new CryptoError('note-unverified');
    if (!signers.includes(verifier)) signers.push(verifier);
  }
  if (signers.length === 0) throw new CryptoError('note-unverified');
  return { text, signers };
}

function parseSignatureLine(line: string): { name: string; blob: Uint8Array } {
  const parts = line.split(' ');
  const [dash, name, encoded] = parts;
  if (
    parts.length !== 3 ||
    dash !== '\u2014' ||
    name === undefined ||
    encoded === undefined ||
    !isName(name)
  ) {
    throw malformed('signature line');
  }
  let blob: Uint8Array;
  try {
    blob = base64Decode(encoded);
  } catch {
    throw malformed('signature line');
  }
  if (blob.length < 5) throw malformed('signature line');
  return { name, blob };
}

/** What a log states: its origin, the number of leaves and the root (32 bytes) of its tree. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** Note text of a checkpoint: three lines. RangeError for an empty or multi-line origin or a size beyond 2^53 - 1. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root } = checkpoint;
  if (origin === '' || origin.includes('\n') || hasControls(origin) || !origin.isWellFormed()) {
    throw new RangeError('origin');
  }
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError('size');
  assertBytes('root', root, 32);
  return `${origin}\n${size}\n${base64Encode(root)}\n`;
}

/**
 * Strict inverse of `formatCheckpoint`: exactly three lines, no extension lines. Compare the origin with the log's. Throws
 * CryptoError `note-malformed`.
 */
export function parseCheckpoint(text: string): Checkpoint {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  const lines = text.split('\n');
  const [origin, size, encoded, end] = lines;
  if (lines.length !== 4 || end !== '' || origin === undefined || origin === '' || hasControls(origin)) {
    throw malformed('checkpoint');
  }
  if (size === undefined || !/^(?:0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw malformed('checkpoint size');
  }
  let root: Uint8Array;
  try {
    root = base64Decode(encoded!);
  } catch {
    throw malformed('checkpoint root');
  }
  if (root.length !== 32 || !origin.isWellFormed()) throw malformed('checkpoint root');
  return { origin, size: Number(size), root };
}

function isName(name: string): boolean {
  return name !== '' && name.isWellFormed() && !/[\s+\u0085]/u.test(name) && !hasControls(name);
}

function assertName(name: string): void {
  if (typeof name !== 'string') throw new TypeError('name must be a string');
  if (!isName(name) || name.includes('\n'))
    throw new RangeError('name must not be empty or hold spaces or plus signs');
}

function assertText(text: string): void {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  if (!text.endsWith('\n') || hasControls(text) || !text.isWellFormed()) {
    throw new RangeError('text must end with a newline and hold no other control characters');
  }
}

// Below U+0020 only the newline is allowed.
function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 && unit !== 0x0a) return true;
  }
  return false;
}

function malformed(detail: string): CryptoError {
  return new CryptoError('note-malformed', detail);
}
