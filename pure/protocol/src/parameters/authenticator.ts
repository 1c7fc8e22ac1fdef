import { KmsError } from '../errors.ts';
import {
  array,
  enumeration,
  integer,
  invalid,
  literal,
  type Schema,
  string,
  transform,
  union,
} from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { base64url, bytes } from './bytes.ts';
import { duration, id, name, withoutRepeats } from './text.ts';

export type AuthenticatorAlgorithm = 'Ed25519' | 'Secp256r1';

/** A public key as it is registered. Ed25519: 32 bytes. Secp256r1: 65 bytes, uncompressed SEC1. */
export interface AuthenticatorPublicKey {
  readonly algorithm: AuthenticatorAlgorithm;
  readonly publicKey: Uint8Array;
}

export type StampKind = 'native' | 'pki';

interface NewAuthenticatorBase {
  readonly authenticatorName: string;
  /** Null when it does not expire by itself. */
  readonly expiresInMs: number | null;
  /** Proof of possession of the key (spec/stamp.md); null when none was sent. Native surface only. */
  readonly proof: Uint8Array | null;
  /** Kinds of stamp that this key may make, never empty. */
  readonly stampKinds: readonly StampKind[];
  readonly ceiling: NewCeiling;
}

/** Bounds what any policy can give this key; null means no bound of that sort. Native surface only. */
export interface NewCeiling {
  /** Names of methods. */
  readonly actions: readonly string[] | null;
  /** Ids of wallets. */
  readonly wallets: readonly string[] | null;
  /** Root users besides the own one who must agree to each request that is not a read (spec/approval.md). */
  readonly approvals: number;
}

export interface NewKeypair extends NewAuthenticatorBase, AuthenticatorPublicKey {
  readonly authenticatorKind: 'keypair';
}

/** The public key stands in the attestation object, to be read where the registration is verified. */
export interface NewPasskey extends NewAuthenticatorBase {
  readonly authenticatorKind: 'passkey';
  readonly credentialId: Uint8Array;
  readonly attestationObject: Uint8Array;
  readonly clientDataJSON: Uint8Array;
  readonly transports: readonly string[];
}

export type NewAuthenticator = NewKeypair | NewPasskey;

const algorithms = ['Ed25519', 'Secp256r1'] as const;

function authenticatorAlgorithm(surface: Surface): Schema<AuthenticatorAlgorithm> {
  if (surface === 'native') return enumeration(algorithms);
  const schema = transform(string({ max: 16 }), (text, path) => {
    const found = algorithms.find((known) => known.toLowerCase() === text.toLowerCase());
    return enumeration(algorithms).parse(found ?? text, path);
  });
  return {
    ...schema,
    toJSONSchema: () => ({ enum: algorithms, description: 'in any case; Ed25519 when absent' }),
  };
}

/** Length and leading byte only; whether the point is acceptable is decided at registration. */
export function checkPublicKey(key: AuthenticatorPublicKey, path: string): AuthenticatorPublicKey {
  const { algorithm, publicKey } = key;
  const expected = algorithm === 'Ed25519' ? 32 : 65;
  if (publicKey.length !== expected || (algorithm === 'Secp256r1' && publicKey[0] !== 0x04)) {
    throw new KmsError('public-key-unacceptable', {
      field: path,
      detail:
        algorithm === 'Ed25519'
          ? 'An Ed25519 public key has 32 bytes.'
          : 'A Secp256r1 public key has 65 bytes and begins with 04.',
    });
  }
  return key;
}

const proof = base64url({ min: 1, max: 4096 });
const stampKinds: Schema<readonly StampKind[]> = withoutRepeats(
  array(enumeration(['native', 'pki'] as const), { min: 1, max: 2 }),
);
const actions = withoutRepeats(array(string({ min: 1, max: 64, pattern: /^[a-zA-Z0-9]+$/ }), { max: 64 }));
const ceiling: Schema<NewCeiling> = transform(
  members('native', {
    required: {},
    optional: {
      approvals: integer({ min: 1, max: 16 }),
      actions,
      wallets: withoutRepeats(array(id('native'), { max: 64 })),
    },
  }),
  (value, path) => {
    const { actions = null, wallets = null, approvals = 0 } = value;
    if (actions === null && wallets === null && approvals === 0)
      throw invalid(path, 'must bound something: actions, wallets or approvals');
    return { actions, wallets, approvals };
  },
);
const noCeiling: NewCeiling = { actions: null, wallets: null, approvals: 0 };
const transports = withoutRepeats(array(string({ min: 1, max: 32, pattern: /^[a-z-]+$/ }), { max: 8 }));

function keypair(surface: Surface): Schema<NewKeypair> {
  const shape = members(surface, {
    required: { authenticatorName: name, publicKey: bytes(surface, { min: 1, max: 65 }) },
    optional: {
      authenticatorKind: literal('keypair'),
      algorithm: authenticatorAlgorithm(surface),
      expiresInMs: duration,
      ...(surface === 'native' ? { proof, stampKinds, ceiling } : {}),
    } as {
      authenticatorKind: Schema<'keypair'>;
      algorithm: Schema<AuthenticatorAlgorithm>;
      expiresInMs: Schema<number>;
      proof: Schema<Uint8Array>;
      stampKinds: Schema<readonly StampKind[]>;
      ceiling: Schema<NewCeiling>;
    },
  });
  return transform(shape, (value, path) => {
    if (surface === 'native' && value.algorithm === undefined) {
      throw new KmsError('parameter-invalid', {
        field: `${path}.algorithm`,
        detail: `${path}.algorithm is required`,
      });
    }
    const key = { algorithm: value.algorithm ?? 'Ed25519', publicKey: value.publicKey } as const;
    checkPublicKey(key, `${path}.publicKey`);
    return {
      authenticatorKind: 'keypair',
      authenticatorName: value.authenticatorName,
      ...key,
      expiresInMs: value.expiresInMs ?? null,
      proof: value.proof ?? null,
      // A key that came in over the compatibility surface may also make the stronger kind; never the reverse.
      stampKinds: value.stampKinds ?? (surface === 'native' ? ['native'] : ['native', 'pki']),
      ceiling: value.ceiling ?? noCeiling,
    };
  });
}

function passkey(surface: Surface): Schema<NewPasskey> {
  const shape = members(surface, {
    required: {
      authenticatorName: name,
      authenticatorKind: literal('passkey'),
      credentialId: bytes(surface, { min: 1, max: 1023 }),
      attestationObject: bytes(surface, { min: 1, max: 16384 }),
      clientDataJSON: bytes(surface, { min: 1, max: 4096 }),
    },
    optional: {
      transports,
      expiresInMs: duration,
      ...(surface === 'native' ? { proof, ceiling } : {}),
    } as {
      transports: typeof transports;
      expiresInMs: Schema<number>;
      proof: Schema<Uint8Array>;
      ceiling: Schema<NewCeiling>;
    },
  });
  return transform(shape, (value) => ({
    authenticatorKind: 'passkey',
    authenticatorName: value.authenticatorName,
    credentialId: value.credentialId,
    attestationObject: value.attestationObject,
    clientDataJSON: value.clientDataJSON,
    transports: value.transports ?? [],
    expiresInMs: value.expiresInMs ?? null,
    proof: value.proof ?? null,
    stampKinds: ['native'],
    ceiling: value.ceiling ?? noCeiling,
  }));
}

const oidc: Schema<NewAuthenticator> = {
  types: ['object'],
  parse(_value, path) {
    throw new KmsError('not-supported', {
      field: `${path}.authenticatorKind`,
      detail: 'Authenticators of kind oidc are not offered here.',
      hint: 'Register a keypair or a passkey.',
    });
  },
  toJSONSchema: () => ({
    type: 'object',
    properties: { authenticatorKind: { const: 'oidc' } },
    required: ['authenticatorKind'],
    description: 'Refused with not-supported.',
  }),
};

/** One authenticator to register, told apart by `authenticatorKind` (compatibility: keypair when absent). */
export function newAuthenticator(surface: Surface): Schema<NewAuthenticator> {
  const cases = { keypair: keypair(surface), passkey: passkey(surface), oidc };
  return union('authenticatorKind', cases, surface === 'native' ? {} : { absent: 'keypair' });
}
