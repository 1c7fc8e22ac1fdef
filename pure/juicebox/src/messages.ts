import { type Cbor, cborDecode, cborEncode, malformed } from './cbor.ts';
import { bytesField, type Field, readVariant, recordField, unsignedField, variant } from './fields.ts';

/** spec/realm.md §2: what a client asks one realm, and what the realm answers. Encoded as CBOR. */

export const versionBytes = 16;
export const realmIdBytes = 16;
export const keyBytes = 32;
export const tagBytes = 16;
export const encryptedSecretBytes = 145;
/** The largest request body that a realm takes. */
export const maximumRequestBytes = 2048;

const version = bytesField(versionBytes);
const b32 = bytesField(keyBytes);
const tag = bytesField(tagBytes);
const count = unsignedField(0xffff);

/** The public key of a realm's OPRF share, signed by the client that made it, with a key that it then forgot. */
export interface SignedPublicKey {
  readonly publicKey: Uint8Array;
  readonly verifyingKey: Uint8Array;
  readonly signature: Uint8Array;
}

const signedPublicKey = recordField({
  publicKey: ['public_key', b32],
  verifyingKey: ['verifying_key', b32],
  signature: ['signature', bytesField(64)],
});

/** What one realm keeps of a registration. */
export interface Registration {
  readonly version: Uint8Array;
  readonly oprfPrivateKey: Uint8Array;
  readonly oprfSignedPublicKey: SignedPublicKey;
  readonly unlockKeyCommitment: Uint8Array;
  readonly unlockKeyTag: Uint8Array;
  readonly encryptionKeyScalarShare: Uint8Array;
  readonly encryptedSecret: Uint8Array;
  readonly encryptedSecretCommitment: Uint8Array;
  readonly policy: { readonly guesses: number };
}

const registration: Field<Registration> = recordField({
  version: ['version', version],
  oprfPrivateKey: ['oprf_private_key', b32],
  oprfSignedPublicKey: ['oprf_signed_public_key', signedPublicKey],
  unlockKeyCommitment: ['unlock_key_commitment', b32],
  unlockKeyTag: ['unlock_key_tag', tag],
  encryptionKeyScalarShare: ['encryption_key_scalar_share', b32],
  encryptedSecret: ['encrypted_secret', bytesField(encryptedSecretBytes)],
  encryptedSecretCommitment: ['encrypted_secret_commitment', tag],
  policy: ['policy', recordField({ guesses: ['num_guesses', count] })],
});

const evaluationRequest = recordField({
  version: ['version', version],
  blindedInput: ['oprf_blinded_input', b32],
});
const unlockRequest = recordField({ version: ['version', version], unlockKeyTag: ['unlock_key_tag', tag] });

/** What a device's key stamps (spec/realm.md §9.1): an encoded request, answered as such. */
export interface StampedRequest {
  readonly type: 'Stamped';
  readonly request: Uint8Array;
  readonly deviceKey: Uint8Array;
  readonly signature: Uint8Array;
}

const stampedRequest = recordField({
  request: ['request', bytesField(undefined, maximumRequestBytes)],
  deviceKey: ['device_key', b32],
  signature: ['signature', bytesField(64)],
});

/** Encodes what a device has stamped. */
export function encodeStamped(stamped: StampedRequest): Uint8Array {
  return cborEncode(variant('Stamped', stampedRequest.write(stamped)));
}

/** `Status` and `Challenge` are requests of ours: they tell what is there and change nothing. */
export type SecretsRequest =
  | { readonly type: 'Register1' | 'Recover1' | 'Delete' | 'Status' | 'Challenge' }
  | { readonly type: 'Register2'; readonly registration: Registration }
  | { readonly type: 'Recover2'; readonly version: Uint8Array; readonly blindedInput: Uint8Array }
  | { readonly type: 'Recover3'; readonly version: Uint8Array; readonly unlockKeyTag: Uint8Array };

export function encodeRequest(request: SecretsRequest): Uint8Array {
  switch (request.type) {
    case 'Register2':
      return cborEncode(variant('Register2', registration.write(request.registration)));
    case 'Recover2':
      return cborEncode(variant('Recover2', evaluationRequest.write(request)));
    case 'Recover3':
      return cborEncode(variant('Recover3', unlockRequest.write(request)));
    default:
      return cborEncode(request.type);
  }
}

const stampable: ReadonlySet<SecretsRequest['type']> = new Set([
  'Register2',
  'Recover2',
  'Recover3',
  'Delete',
]);

/** A request, stamped or not. Throws CryptoError `cbor-malformed`. */
export function decodeStampable(bytes: Uint8Array): {
  readonly request: SecretsRequest;
  readonly stamped?: StampedRequest;
} {
  const { name, content } = readVariant(cborDecode(bytes));
  if (name !== 'Stamped') return { request: decodeRequest(bytes) };
  if (content === undefined) throw malformed('a variant without its content');
  const stamped: StampedRequest = { type: name, ...stampedRequest.read(content) };
  const request = decodeRequest(stamped.request);
  if (!stampable.has(request.type)) throw malformed('a stamp where none belongs');
  return { request, stamped };
}

/** Throws CryptoError `cbor-malformed`: unknown members and variants, wrong lengths, trailing bytes. */
export function decodeRequest(bytes: Uint8Array): SecretsRequest {
  const { name, content } = readVariant(cborDecode(bytes));
  if (
    name === 'Register1' ||
    name === 'Recover1' ||
    name === 'Delete' ||
    name === 'Status' ||
    name === 'Challenge'
  ) {
    if (content !== undefined) throw malformed('content where none belongs');
    return { type: name };
  }
  if (content === undefined) throw malformed('a variant without its content, or an unknown one');
  switch (name) {
    case 'Register2':
      return { type: name, registration: registration.read(content) };
    case 'Recover2':
      return { type: name, ...evaluationRequest.read(content) };
    case 'Recover3':
      return { type: name, ...unlockRequest.read(content) };
    default:
      throw malformed('an unknown variant');
  }
}

export interface Evaluation {
  readonly oprfSignedPublicKey: SignedPublicKey;
  readonly blindedResult: Uint8Array;
  readonly proof: { readonly c: Uint8Array; readonly betaZ: Uint8Array };
  readonly unlockKeyCommitment: Uint8Array;
  readonly guesses: number;
  /** After this guess. */
  readonly guessCount: number;
}

export interface Unlocked {
  readonly encryptionKeyScalarShare: Uint8Array;
  readonly encryptedSecret: Uint8Array;
  readonly encryptedSecretCommitment: Uint8Array;
}

export interface Status {
  readonly version: Uint8Array;
  readonly guesses: number;
  readonly guessCount: number;
  /** Seconds until the next guess is taken; 0 when it is taken now. */
  readonly waitSeconds: number;
}

export type NoRecord = 'NotRegistered' | 'NoGuesses';

export type SecretsResponse =
  | { readonly type: 'Register1' | 'Register2' | 'Delete'; readonly outcome: 'Ok' }
  | { readonly type: 'Recover1'; readonly outcome: NoRecord }
  | { readonly type: 'Recover1'; readonly outcome: 'Ok'; readonly version: Uint8Array }
  | { readonly type: 'Recover2' | 'Recover3'; readonly outcome: NoRecord | 'VersionMismatch' }
  | { readonly type: 'Recover2'; readonly outcome: 'Ok'; readonly evaluation: Evaluation }
  | { readonly type: 'Recover3'; readonly outcome: 'Ok'; readonly unlocked: Unlocked }
  | { readonly type: 'Recover3'; readonly outcome: 'BadUnlockKeyTag'; readonly guessesRemaining: number }
  | { readonly type: 'Status' | 'Challenge'; readonly outcome: NoRecord }
  | { readonly type: 'Challenge'; readonly outcome: 'Ok'; readonly challenge: Uint8Array }
  | { readonly type: 'Status'; readonly outcome: 'Ok'; readonly status: Status };

const lenient = true;
const versionAnswer = recordField({ version: ['version', version] }, lenient);
const evaluationAnswer: Field<Evaluation> = recordField(
  {
    oprfSignedPublicKey: ['oprf_signed_public_key', signedPublicKey],
    blindedResult: ['oprf_blinded_result', b32],
    proof: ['oprf_proof', recordField({ c: ['c', b32], betaZ: ['beta_z', b32] })],
    unlockKeyCommitment: ['unlock_key_commitment', b32],
    guesses: ['num_guesses', count],
    guessCount: ['guess_count', count],
  },
  lenient,
);
const unlockedAnswer: Field<Unlocked> = recordField(
  {
    encryptionKeyScalarShare: ['encryption_key_scalar_share', b32],
    encryptedSecret: ['encrypted_secret', bytesField(encryptedSecretBytes)],
    encryptedSecretCommitment: ['encrypted_secret_commitment', tag],
  },
  lenient,
);
const challengeAnswer = recordField({ challenge: ['challenge', b32] }, lenient);
const badTagAnswer = recordField({ guessesRemaining: ['guesses_remaining', count] }, lenient);
const statusAnswer: Field<Status> = recordField(
  {
    version: ['version', version],
    guesses: ['num_guesses', count],
    guessCount: ['guess_count', count],
    waitSeconds: ['wait_seconds', unsignedField(0xffffffff)],
  },
  lenient,
);

export function encodeResponse(response: SecretsResponse): Uint8Array {
  return cborEncode(variant(response.type, contentOf(response)));
}

function contentOf(response: SecretsResponse): Cbor {
  if ('evaluation' in response) return variant('Ok', evaluationAnswer.write(response.evaluation));
  if ('unlocked' in response) return variant('Ok', unlockedAnswer.write(response.unlocked));
  if ('status' in response) return variant('Ok', statusAnswer.write(response.status));
  if ('challenge' in response) return variant('Ok', challengeAnswer.write(response));
  if ('version' in response) return variant('Ok', versionAnswer.write(response));
  if ('guessesRemaining' in response) return variant('BadUnlockKeyTag', badTagAnswer.write(response));
  return response.outcome;
}

/**
 * The answer to a request of `type`. Throws CryptoError `cbor-malformed`, also for an answer to another request: that
 * is how a realm refuses what its operator does not allow.
 */
export function decodeResponse(type: SecretsRequest['type'], bytes: Uint8Array): SecretsResponse {
  const outer = readVariant(cborDecode(bytes));
  if (outer.name !== type || outer.content === undefined) throw malformed('another answer');
  const { name, content } = readVariant(outer.content);
  if (type === 'Register1' || type === 'Register2' || type === 'Delete') {
    if (name === 'Ok') return { type, outcome: 'Ok' };
    throw malformed('an unknown outcome');
  }
  if (name === 'NotRegistered' || name === 'NoGuesses') return { type, outcome: name };
  if (name === 'Ok' && content !== undefined) {
    if (type === 'Recover1') return { type, outcome: name, ...versionAnswer.read(content) };
    if (type === 'Recover2') return { type, outcome: name, evaluation: evaluationAnswer.read(content) };
    if (type === 'Recover3') return { type, outcome: name, unlocked: unlockedAnswer.read(content) };
    if (type === 'Challenge') return { type, outcome: name, ...challengeAnswer.read(content) };
    return { type, outcome: name, status: statusAnswer.read(content) };
  }
  if (name === 'VersionMismatch' && (type === 'Recover2' || type === 'Recover3'))
    return { type, outcome: name };
  if (name === 'BadUnlockKeyTag' && type === 'Recover3' && content !== undefined)
    return { type, outcome: name, ...badTagAnswer.read(content) };
  throw malformed('an unknown outcome');
}
