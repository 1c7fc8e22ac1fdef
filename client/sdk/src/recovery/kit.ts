import { chacha20Poly1305Open, chacha20Poly1305Seal } from '@keystead/crypto/aead';
import { concatBytes, equalBytes, utf8Decode, utf8Encode } from '@keystead/crypto/bytes';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { domainHash, domainPrefix } from '@keystead/protocol/domain';
import { GroupError, printGroups, readGroups } from '@keystead/protocol/printed-groups';
import { stretch as defaultStretch } from '#argon2';
import type { Stretch } from './argon2.ts';
import { aboutDigest, aboutFault, type KitAbout, type KitAccount, printPage, readPage } from './kit-page.ts';
import { RecoveryError } from './recovery-error.ts';

export type { KitAbout, KitAccount };

/** spec/recovery-kit.md: a page and a passphrase that together are a seed, with no server. */

export interface RecoveryKit {
  /** To save or print: text that says by itself what it is and how it is opened. */
  readonly page: string;
  /** To be written down elsewhere: four groups. Text cannot be wiped: show it and let it go. */
  readonly passphrase: string;
}

export interface MakeKitOptions {
  /** BIP-39 entropy: 16, 20, 24, 28 or 32 bytes. */
  readonly entropy: SecretBytes;
  /** What the person calls the wallet; stands on the page. */
  readonly name: string;
  /** Stand on the page, for whoever finds it as well, and are compared when it is opened; none unless given. */
  readonly accounts?: readonly KitAccount[];
  readonly stretch?: Stretch;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  readonly signal?: AbortSignal;
}

export interface OpenKitOptions {
  /** The page, or its groups alone. */
  readonly page: string;
  /** As it is printed; case, spaces and dashes do not count. */
  readonly passphrase: string | Uint8Array;
  readonly stretch?: Stretch;
  readonly signal?: AbortSignal;
}

export interface OpenedKit {
  /** BIP-39 entropy. The caller wipes it. */
  readonly entropy: SecretBytes;
  /** As it was when the kit was made; undefined when only the groups were given. */
  readonly about: KitAbout | undefined;
}

const version = 1;
const saltBytes = 16;
const sealedFrom = 1 + saltBytes;
const checkFrom = 74;
const checkBytes = 6;
const aboutBytes = 8;
const entropyFrom = aboutBytes + 1;
const maximumEntropy = 32;
const entropyLengths = [16, 20, 24, 28, 32];
const passphraseBytes = 20;
const passphraseGroups = passphraseBytes / 5;
const keyBytes = 32;
const hashing = { memoryKibibytes: 65_536, iterations: 3 };
/** The key encrypts once: no other nonce is ever needed. */
const nonce = new Uint8Array(12);

/**
 * A kit of a seed that this device has; it was opened once when this resolves. Nobody should count on it before the person has entered the
 * passphrase again and `openRecoveryKit` has opened what was saved. Throws RecoveryError.
 */
export async function makeRecoveryKit(options: MakeKitOptions): Promise<RecoveryKit> {
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const { clock = Date.now, accounts = [], name } = options;
  const about = { name, made: new Date(clock()).toISOString().slice(0, 10), accounts };
  const secret = random(passphraseBytes);
  const salt = random(saltBytes);
  try {
    const kit = await sealKit({ ...options, about, passphrase: secret, salt });
    const page = printPage(kit, about);
    const passphrase = utf8Decode(printGroups(secret, 'line'));
    const opened = await openRecoveryKit({ ...options, page, passphrase });
    const isSame = equalBytes(opened.entropy.expose(), options.entropy.expose());
    opened.entropy.wipe();
    if (!isSame) throw new RecoveryError('kit-other-seed');
    return { page, passphrase };
  } finally {
    secret.fill(0);
  }
}

export interface SealKitOptions {
  readonly entropy: SecretBytes;
  readonly about: KitAbout;
  /** 20 bytes. */
  readonly passphrase: Uint8Array;
  /** 16 bytes, never used twice with one passphrase. */
  readonly salt: Uint8Array;
  readonly stretch?: Stretch;
  readonly signal?: AbortSignal;
}

/** The 80 bytes of a kit (§2), of randomness that is given. Throws RecoveryError `input-refused`. */
export async function sealKit(options: SealKitOptions): Promise<Uint8Array> {
  const { about, passphrase, salt } = options;
  const entropy = options.entropy.expose();
  const fault = entropyLengths.includes(entropy.length)
    ? aboutFault(about)
    : 'entropy has 16, 20, 24, 28 or 32 bytes';
  if (fault !== undefined) throw new RecoveryError('input-refused', { detail: fault });
  const plaintext = new Uint8Array(entropyFrom + maximumEntropy);
  plaintext.set(aboutDigest(about));
  plaintext[aboutBytes] = entropy.length;
  plaintext.set(entropy, entropyFrom);
  const head = concatBytes(Uint8Array.of(version), salt);
  const key = await keyOf(passphrase, salt, options);
  try {
    const body = concatBytes(head, chacha20Poly1305Seal(key, nonce, associated(head), plaintext));
    return concatBytes(body, checkOf(body));
  } finally {
    key.fill(0);
    plaintext.fill(0);
  }
}

/**
 * The seed of a kit, with no server. Throws RecoveryError `kit-malformed`, `kit-mistyped` and `kit-passphrase-mistyped` with the
 * group where the typing error is, `kit-passphrase-wrong`, and `kit-altered` when the page says what it did not say when it was made.
 */
export async function openRecoveryKit(options: OpenKitOptions): Promise<OpenedKit> {
  const { kit, about } = readPage(options.page);
  const body = kit.subarray(0, checkFrom);
  if (!equalBytes(checkOf(body), kit.subarray(checkFrom)))
    throw new RecoveryError('kit-malformed', { detail: 'its groups are not of one kit' });
  if (kit[0] !== version)
    throw new RecoveryError('kit-malformed', {
      detail: `it is of version ${kit[0]}; this program knows ${version}`,
    });
  const secret = readPassphrase(options.passphrase);
  let key: Uint8Array | undefined;
  let plaintext: Uint8Array | undefined;
  try {
    key = await keyOf(secret, kit.slice(1, sealedFrom), options);
    plaintext = opened(key, kit);
    const entropy = entropyIn(plaintext);
    if (about !== undefined && !equalBytes(aboutDigest(about), plaintext.subarray(0, aboutBytes)))
      throw new RecoveryError('kit-altered');
    return { entropy: new SecretBytes(entropy), about };
  } finally {
    secret.fill(0);
    key?.fill(0);
    plaintext?.fill(0);
  }
}

function opened(key: Uint8Array, kit: Uint8Array): Uint8Array {
  const head = kit.subarray(0, sealedFrom);
  try {
    return chacha20Poly1305Open(key, nonce, associated(head), kit.subarray(sealedFrom, checkFrom));
  } catch (cause) {
    throw new RecoveryError('kit-passphrase-wrong', { cause });
  }
}

/** A view of the entropy in what was sealed: whoever sealed it held to §2, or it is no kit. */
function entropyIn(plaintext: Uint8Array): Uint8Array {
  const length = plaintext[aboutBytes]!;
  const rest = plaintext.subarray(entropyFrom + length);
  if (!entropyLengths.includes(length) || rest.some((byte) => byte !== 0))
    throw new RecoveryError('kit-malformed', { detail: 'what it holds is no seed' });
  return plaintext.subarray(entropyFrom, entropyFrom + length);
}

function readPassphrase(passphrase: string | Uint8Array): Uint8Array {
  const printed = typeof passphrase === 'string' ? utf8Encode(passphrase) : passphrase;
  try {
    return readGroups(printed, passphraseGroups);
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    throw new RecoveryError('kit-passphrase-mistyped', { detail: error.message, group: error.group });
  }
}

async function keyOf(
  passphrase: Uint8Array,
  salt: Uint8Array,
  { stretch = defaultStretch, signal }: Pick<OpenKitOptions, 'stretch' | 'signal'>,
): Promise<Uint8Array> {
  const stretched = await stretch({ pin: passphrase, salt, ...hashing }, signal);
  const key = stretched.slice(0, keyBytes);
  stretched.fill(0);
  return key;
}

const associated = (head: Uint8Array): Uint8Array =>
  concatBytes(domainPrefix('keystead/recovery-kit/v1'), head);

const checkOf = (body: Uint8Array): Uint8Array =>
  domainHash('keystead/recovery-kit-check/v1', body).slice(0, checkBytes);
