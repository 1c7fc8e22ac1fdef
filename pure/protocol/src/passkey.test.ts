import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import * as p256 from '@keystead/crypto/p256';
import { sha256 } from '@keystead/crypto/sha256';
import {
  type AuthenticatorLeaf,
  algorithmSecp256r1,
  credentialPasskey,
  keyHashOf,
  stampKindNative,
} from './authority.ts';
import { KmsError } from './errors.ts';
import { readPasskeyRegistration, registrationChallenge } from './passkey.ts';
import { type NativeStamp, PasskeyAssertion, verifyPasskeyAssertion, verifyStamp } from './stamp.ts';

/** CBOR as an authenticator writes it, or with one mistake in it. */
const head = (major: number, length: number): Uint8Array =>
  length < 24
    ? Uint8Array.of((major << 5) | length)
    : length < 256
      ? Uint8Array.of((major << 5) | 24, length)
      : Uint8Array.of((major << 5) | 25, length >> 8, length & 255);
const integer = (value: number) => (value < 0 ? head(1, -1 - value) : head(0, value));
const byteString = (bytes: Uint8Array) => concatBytes(head(2, bytes.length), bytes);
const textString = (text: string) => concatBytes(head(3, text.length), utf8Encode(text));
const map = (...entries: [key: Uint8Array, value: Uint8Array][]) =>
  concatBytes(head(5, entries.length), ...entries.flat());

const privateKey = new Uint8Array(32).fill(5);
const publicKey = p256.publicKey(privateKey);
const x = publicKey.subarray(1, 33);
const y = publicKey.subarray(33);
const credentialId = new Uint8Array(20).fill(8);
const rpId = 'wallet.example';
const origin = 'https://app.wallet.example';
const challenge = sha256(utf8Encode('challenge'));

const keyEntries: [Uint8Array, Uint8Array][] = [
  [integer(1), integer(2)],
  [integer(3), integer(-7)],
  [integer(-1), integer(1)],
  [integer(-2), byteString(x)],
  [integer(-3), byteString(y)],
];
const coseKey = map(...keyEntries);

/** The COSE key with one entry in another's place. */
const keyWith = (index: number, key: Uint8Array, value: Uint8Array) =>
  map(...keyEntries.map((entry, at): [Uint8Array, Uint8Array] => (at === index ? [key, value] : entry)));

const present = 0x01;
const verified = 0x04;
const eligible = 0x08;
const backedUp = 0x10;
const attested = 0x40;
const extended = 0x80;

interface Making {
  readonly rpId?: string;
  readonly flags?: number;
  readonly credentialId?: Uint8Array;
  readonly idLength?: number;
  readonly key?: Uint8Array;
  readonly rest?: Uint8Array;
}

function authenticatorData(making: Making = {}): Uint8Array {
  const id = making.credentialId ?? credentialId;
  const idLength = making.idLength ?? id.length;
  return concatBytes(
    sha256(utf8Encode(making.rpId ?? rpId)),
    Uint8Array.of(making.flags ?? present | verified | attested, 0, 0, 0, 1),
    new Uint8Array(16),
    Uint8Array.of(idLength >> 8, idLength & 255),
    id,
    making.key ?? coseKey,
    making.rest ?? new Uint8Array(0),
  );
}

const attestationEntries = (data: Uint8Array): [Uint8Array, Uint8Array][] => [
  [textString('fmt'), textString('none')],
  [textString('attStmt'), map()],
  [textString('authData'), byteString(data)],
];
const attestation = (making: Making = {}) => map(...attestationEntries(authenticatorData(making)));

const clientData = (type: string, change: Readonly<Record<string, unknown>> = {}) =>
  utf8Encode(
    JSON.stringify({ type, challenge: base64urlEncode(challenge), origin, crossOrigin: false, ...change }),
  );

const read = (attestationObject: Uint8Array, more: { client?: Uint8Array; credentialId?: Uint8Array } = {}) =>
  readPasskeyRegistration(
    {
      credentialId: more.credentialId ?? credentialId,
      attestationObject,
      clientDataJSON: more.client ?? clientData('webauthn.create'),
    },
    'authenticator',
  );

function refusedMember(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof KmsError, String(error));
    if (error.code === 'public-key-unacceptable') return 'the point';
    assert.equal(error.code, 'parameter-invalid');
    return error.field;
  }
  return undefined;
}

describe('a passkey registration', () => {
  it('is read: key, credential, relying party, origin and challenge', () => {
    assert.deepEqual(read(attestation()), {
      publicKey,
      credentialId,
      rpIdHash: sha256(utf8Encode(rpId)),
      origin,
      challenge: base64urlEncode(challenge),
    });
    assert.equal(registrationChallenge(challenge), base64urlEncode(challenge));
  });

  const accepted: readonly [name: string, object: Uint8Array, client?: Uint8Array][] = [
    ['of a passkey that is backed up', attestation({ flags: 0x45 | eligible | backedUp })],
    [
      'with extensions',
      attestation({ flags: 0x45 | extended, rest: map([textString('credProtect'), integer(3)]) }),
    ],
    [
      'with an attestation statement, which counts for nothing',
      map(
        [textString('fmt'), textString('packed')],
        [textString('attStmt'), map([textString('alg'), integer(-7)], [textString('x5c'), head(4, 0)])],
        [textString('authData'), byteString(authenticatorData())],
      ),
    ],
    ['with its members in another order', map(...attestationEntries(authenticatorData()).reverse())],
    ['for the host of the origin itself', attestation({ rpId: 'app.wallet.example' })],
    [
      'of a page on a port of localhost',
      attestation({ rpId: 'localhost' }),
      clientData('webauthn.create', { origin: 'http://localhost:8080' }),
    ],
    [
      'of an app, whose origin is its key',
      attestation({ rpId: 'anything.example' }),
      clientData('webauthn.create', { origin: 'android:apk-key-hash:abcDEF-_' }),
    ],
    [
      'with client data that says more and leaves crossOrigin out',
      attestation(),
      utf8Encode(
        `{ "type": "webauthn.create", "challenge": "${base64urlEncode(challenge)}", "origin": "${origin}", "extra": {"a": [1]} }`,
      ),
    ],
  ];
  for (const [name, object, client] of accepted)
    it(`is read ${name}`, () => {
      assert.deepEqual(read(object, client === undefined ? {} : { client }).publicKey, publicKey);
    });

  const badClients: readonly [name: string, client: Uint8Array][] = [
    ['of an assertion', clientData('webauthn.get')],
    ['of no type', clientData('')],
    ['without a challenge', clientData('webauthn.create', { challenge: undefined })],
    ['without an origin', clientData('webauthn.create', { origin: undefined })],
    ['with an origin that is a list', clientData('webauthn.create', { origin: [origin] })],
    ['with an origin of 257 characters', clientData('webauthn.create', { origin: `a:${'b'.repeat(255)}` })],
    ['with a space in its origin', clientData('webauthn.create', { origin: `${origin} ` })],
    ['from inside a page of another origin', clientData('webauthn.create', { crossOrigin: true })],
    [
      'with the origin of an outer page',
      clientData('webauthn.create', { topOrigin: 'https://elsewhere.example' }),
    ],
    ['that is a list', utf8Encode('[]')],
    ['that is null', utf8Encode('null')],
    ['with trailing bytes', concatBytes(clientData('webauthn.create'), utf8Encode('x'))],
    [
      'with a member twice',
      utf8Encode(`{"type":"webauthn.create","type":"webauthn.create","challenge":"AA","origin":"${origin}"}`),
    ],
    ['of 4097 bytes', clientData('webauthn.create', { padding: 'p'.repeat(4097) })],
  ];
  for (const [name, client] of badClients)
    it(`is refused for client data ${name}`, () => {
      assert.equal(
        refusedMember(() => read(attestation(), { client })),
        'authenticator.clientDataJSON',
      );
    });

  const data = authenticatorData();
  const deep = concatBytes(...Array.from({ length: 64 }, () => head(4, 1)), integer(0));
  const badObjects: readonly [name: string, object: Uint8Array][] = [
    ['of no bytes', new Uint8Array(0)],
    ['that is a list', head(4, 0)],
    ['with trailing bytes', concatBytes(attestation(), Uint8Array.of(0))],
    ['that ends early', attestation().slice(0, -1)],
    ['of indefinite length', concatBytes(Uint8Array.of(0xbf), attestation().slice(1), Uint8Array.of(0xff))],
    [
      'with authenticator data of indefinite length',
      map(...attestationEntries(data).slice(0, 2), [
        textString('authData'),
        concatBytes(Uint8Array.of(0x5f), byteString(data), Uint8Array.of(0xff)),
      ]),
    ],
    ['with a member twice', map(...attestationEntries(data), [textString('fmt'), textString('none')])],
    [
      'with authenticator data twice',
      map(
        ...attestationEntries(data).slice(0, 2),
        ...[data, data].map((bytes): [Uint8Array, Uint8Array] => [textString('authData'), byteString(bytes)]),
      ),
    ],
    ['with a fourth member', map(...attestationEntries(data), [textString('more'), map()])],
    ['without a format', map(...attestationEntries(data).slice(1))],
    [
      'with a format that is a number',
      map([textString('fmt'), integer(0)], ...attestationEntries(data).slice(1)),
    ],
    [
      'with a statement that is a list',
      map(
        [textString('fmt'), textString('none')],
        [textString('attStmt'), head(4, 0)],
        [textString('authData'), byteString(data)],
      ),
    ],
    [
      'with a length of two bytes where one is enough',
      map(...attestationEntries(data).slice(0, 2), [
        textString('authData'),
        concatBytes(Uint8Array.of(0x59, 0, data.length), data),
      ]),
    ],
    [
      'with a length that is not in its shortest form',
      concatBytes(Uint8Array.of(0xb8, 3), attestation().slice(1)),
    ],
    ['with a tag before it', concatBytes(Uint8Array.of(0xd9, 0xd9, 0xf7), attestation())],
    [
      'with a number of four bytes as a length',
      map(...attestationEntries(data).slice(0, 2), [
        textString('authData'),
        concatBytes(Uint8Array.of(0x5a, 0, 0, data.length >> 8, data.length & 255), data),
      ]),
    ],
    [
      'with a statement of great depth',
      map(
        [textString('fmt'), textString('none')],
        [textString('attStmt'), map([textString('deep'), deep])],
        [textString('authData'), byteString(data)],
      ),
    ],
    [
      'whose statement claims more items than there are bytes',
      map([textString('fmt'), textString('none')], [textString('attStmt'), head(4, 65_535)]),
    ],
    [
      'with authenticator data as text',
      map(...attestationEntries(data).slice(0, 2), [textString('authData'), textString('a'.repeat(120))]),
    ],
    ['with authenticator data of 54 bytes', map(...attestationEntries(data.slice(0, 54)))],
    ['without user presence', attestation({ flags: verified | attested })],
    ['without user verification', attestation({ flags: present | attested })],
    ['without the flag of a credential', attestation({ flags: present | verified })],
    ['that is backed up without being eligible', attestation({ flags: 0x45 | backedUp })],
    ['of another relying party', attestation({ rpId: 'elsewhere.example' })],
    ['of a relying party below the origin', attestation({ rpId: 'deep.app.wallet.example' })],
    ['of a relying party that ends like the host', attestation({ rpId: 'let.example' })],
    ['of an empty relying party', attestation({ rpId: '' })],
    ['with bytes behind the key', attestation({ rest: Uint8Array.of(0) })],
    ['with extensions that no flag announces', attestation({ rest: map() })],
    ['with a flag of extensions and none', attestation({ flags: 0x45 | extended })],
    ['with extensions that are a list', attestation({ flags: 0x45 | extended, rest: head(4, 0) })],
    [
      'with bytes behind the extensions',
      attestation({ flags: 0x45 | extended, rest: concatBytes(map(), Uint8Array.of(0)) }),
    ],
    ['with a key that ends early', attestation({ key: coseKey.slice(0, -1) })],
    ['with a key that is no map', attestation({ key: byteString(publicKey) })],
    ['with a key of RSA', attestation({ key: keyWith(0, integer(1), integer(3)) })],
    ['with a key of curve Ed25519', attestation({ key: keyWith(2, integer(-1), integer(6)) })],
    ['with a key for EdDSA', attestation({ key: keyWith(1, integer(3), integer(-8)) })],
    ['with a key for ES384', attestation({ key: keyWith(1, integer(3), integer(-35)) })],
    ['with an x of 31 bytes', attestation({ key: keyWith(3, integer(-2), byteString(x.slice(1))) })],
    [
      'with an x of 33 bytes',
      attestation({ key: keyWith(3, integer(-2), byteString(concatBytes(Uint8Array.of(0), x))) }),
    ],
    ['with a compressed y', attestation({ key: keyWith(4, integer(-3), Uint8Array.of(0xf5)) })],
    ['with an x of text', attestation({ key: keyWith(3, integer(-2), textString('x'.repeat(32))) })],
    ['with a key that has x twice', attestation({ key: keyWith(4, integer(-2), byteString(y)) })],
    ['with a private key in the key', attestation({ key: map(...keyEntries, [integer(-4), byteString(x)]) })],
    ['with a key without y', attestation({ key: map(...keyEntries.slice(0, 4)) })],
    [
      'with a name of a member written as a longer number',
      attestation({ key: keyWith(0, Uint8Array.of(0x18, 1), integer(2)) }),
    ],
    [
      'with a key of indefinite length',
      attestation({ key: concatBytes(Uint8Array.of(0xbf), coseKey.slice(1), Uint8Array.of(0xff)) }),
    ],
  ];
  for (const [name, object] of badObjects)
    it(`is refused for an attestation object ${name}`, () => {
      assert.equal(
        refusedMember(() => read(object)),
        'authenticator.attestationObject',
      );
    });

  it('is refused for a point that is not on the curve', () => {
    const off = y.slice();
    off[31]! ^= 1;
    const changed = attestation({ key: keyWith(4, integer(-3), byteString(off)) });
    assert.throws(
      () => read(changed),
      (error) => error instanceof KmsError && error.code === 'public-key-unacceptable',
    );
  });

  it('is refused when the credential is not the attested one', () => {
    const member = 'authenticator.credentialId';
    const other = credentialId.slice();
    other[19]! ^= 1;
    assert.equal(
      refusedMember(() => read(attestation(), { credentialId: other })),
      member,
    );
    assert.equal(
      refusedMember(() => read(attestation(), { credentialId: credentialId.slice(1) })),
      member,
    );
    assert.equal(
      refusedMember(() => read(attestation({ idLength: 19 }))),
      member,
    );
    assert.equal(
      refusedMember(() => read(attestation({ idLength: 65_535 }))),
      member,
    );
    const tail = authenticatorData({ idLength: 65_535 }).slice(55);
    const swallowed = attestation({ idLength: 65_535 });
    assert.equal(
      refusedMember(() => read(swallowed, { credentialId: tail })),
      'authenticator.attestationObject',
    );
  });

  it('never fails otherwise than by a refusal, for every changed byte of an attestation object', () => {
    const object = attestation();
    // What may change unseen: format, AAGUID, signature counter, and the coordinates, which a proof has to fit.
    const seen = new Set<number>();
    for (let at = 0; at < object.length; at += 1) {
      for (const change of [1, 0x80, 0xff]) {
        const changed = object.slice();
        changed[at]! ^= change;
        if (refusedMember(() => read(changed)) !== undefined) seen.add(at);
      }
    }
    const start = object.length - authenticatorData().length;
    const fixed = [
      ...Array.from({ length: 33 }, (_, index) => start + index),
      ...Array.from({ length: 2 + credentialId.length + 10 }, (_, index) => start + 53 + index),
    ];
    for (const at of fixed) assert.ok(seen.has(at), `byte ${at}`);
    for (let length = 0; length < object.length; length += 1)
      assert.notEqual(
        refusedMember(() => read(object.slice(0, length))),
        undefined,
      );
  });
});

const leafPasskey = { credentialId, rpIdHash: sha256(utf8Encode(rpId)), origin };

interface Asserting {
  readonly client?: Uint8Array;
  readonly data?: Uint8Array;
  readonly flags?: number;
  readonly key?: Uint8Array;
}

function assertion(asserting: Asserting = {}): PasskeyAssertion {
  const clientDataJson = asserting.client ?? clientData('webauthn.get');
  const data =
    asserting.data ??
    concatBytes(leafPasskey.rpIdHash, Uint8Array.of(asserting.flags ?? present | verified, 0, 0, 0, 2));
  const signature = p256.sign(asserting.key ?? privateKey, concatBytes(data, sha256(clientDataJson)));
  return { authenticatorData: data, clientDataJson, signature };
}

const holds = (made: PasskeyAssertion, over = challenge) =>
  verifyPasskeyAssertion(PasskeyAssertion.encode(made), over, publicKey, leafPasskey);

describe('a passkey assertion', () => {
  it('holds over its challenge, with every value that an authenticator may choose', () => {
    assert.ok(holds(assertion()));
    assert.ok(holds(assertion({ flags: 0x05 | eligible })));
    assert.ok(holds(assertion({ flags: 0x05 | eligible | backedUp })));
    const flags = Uint8Array.of(0x05 | extended, 0, 0, 0, 0);
    const extensions = map([textString('hmac-secret'), byteString(new Uint8Array(48))]);
    assert.ok(holds(assertion({ data: concatBytes(leafPasskey.rpIdHash, flags, extensions) })));
  });

  it('holds with both values of s', () => {
    const made = assertion();
    const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
    const s = BigInt(`0x${Buffer.from(made.signature.subarray(32)).toString('hex')}`);
    const twin = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex');
    assert.ok(holds({ ...made, signature: concatBytes(made.signature.subarray(0, 32), twin) }));
  });

  const refused: readonly [name: string, made: PasskeyAssertion][] = [
    ['of a registration', assertion({ client: clientData('webauthn.create') })],
    [
      'over another challenge',
      assertion({ client: clientData('webauthn.get', { challenge: base64urlEncode(sha256(challenge)) }) }),
    ],
    [
      'over the challenge in another encoding',
      assertion({ client: clientData('webauthn.get', { challenge: `${base64urlEncode(challenge)}=` }) }),
    ],
    [
      'at another origin',
      assertion({ client: clientData('webauthn.get', { origin: 'https://wallet.example' }) }),
    ],
    [
      'at the origin with a slash',
      assertion({ client: clientData('webauthn.get', { origin: `${origin}/` }) }),
    ],
    [
      'from inside a page of another origin',
      assertion({ client: clientData('webauthn.get', { crossOrigin: true }) }),
    ],
    [
      'with the origin of an outer page',
      assertion({ client: clientData('webauthn.get', { topOrigin: origin }) }),
    ],
    ['with client data that is a list', assertion({ client: utf8Encode('[]') })],
    [
      'with client data that has a member twice',
      assertion({
        client: utf8Encode(
          `{"type":"webauthn.get","challenge":"AA","challenge":"${base64urlEncode(challenge)}","origin":"${origin}"}`,
        ),
      }),
    ],
    ['without user presence', assertion({ flags: verified })],
    ['without user verification', assertion({ flags: present })],
    ['backed up without being eligible', assertion({ flags: 0x05 | backedUp })],
    ['with the flag of a credential', assertion({ flags: 0x05 | attested })],
    ['with a flag of extensions and none', assertion({ flags: 0x05 | extended })],
    ['with authenticator data of a registration', assertion({ data: authenticatorData() })],
    [
      'with bytes behind the authenticator data',
      assertion({ data: concatBytes(leafPasskey.rpIdHash, Uint8Array.of(5, 0, 0, 0, 0, 0)) }),
    ],
    [
      'with authenticator data of 36 bytes',
      assertion({ data: concatBytes(leafPasskey.rpIdHash, Uint8Array.of(5, 0, 0, 0)) }),
    ],
    [
      'for another relying party',
      assertion({ data: concatBytes(sha256(utf8Encode('elsewhere.example')), Uint8Array.of(5, 0, 0, 0, 0)) }),
    ],
    ['by another key', assertion({ key: new Uint8Array(32).fill(6) })],
  ];
  for (const [name, made] of refused)
    it(`is refused ${name}`, () => {
      assert.equal(holds(made), false);
    });

  it('is refused with any one byte changed, left out or added', () => {
    const encoded = PasskeyAssertion.encode(assertion());
    const isHeld = (bytes: Uint8Array) => verifyPasskeyAssertion(bytes, challenge, publicKey, leafPasskey);
    assert.ok(isHeld(encoded));
    for (let at = 0; at < encoded.length; at += 1) {
      const changed = encoded.slice();
      changed[at]! ^= 1 << (at % 8);
      assert.equal(isHeld(changed), false, `byte ${at} changed`);
      const shorter = concatBytes(encoded.subarray(0, at), encoded.subarray(at + 1));
      assert.equal(isHeld(shorter), false, `byte ${at} left out`);
    }
    assert.equal(isHeld(concatBytes(encoded, Uint8Array.of(0))), false);
    assert.equal(isHeld(new Uint8Array(0)), false);
  });

  it('stamps a request only over the hash of its signature base', () => {
    const base = utf8Encode('the signature base of a request');
    const stamped = (over: Uint8Array): NativeStamp => ({
      kind: 'native',
      algorithm: algorithmSecp256r1,
      webauthn: true,
      publicKey,
      keyHash: keyHashOf(algorithmSecp256r1, publicKey),
      bodyDigest: new Uint8Array(32),
      signature: PasskeyAssertion.encode(
        assertion({ client: clientData('webauthn.get', { challenge: base64urlEncode(over) }) }),
      ),
      base,
      created: 1,
      expires: 2,
      deployment: new Uint8Array(32),
      origin,
      seen: null,
    });
    const leaf: AuthenticatorLeaf = {
      id: new Uint8Array(16),
      username: 'root',
      credential: credentialPasskey,
      algorithm: algorithmSecp256r1,
      publicKey,
      passkey: leafPasskey,
      stampKinds: stampKindNative,
      createdAt: 0,
      expiresAt: undefined,
      ceiling: { actions: undefined, wallets: undefined, approvals: 0 },
    };
    const body = new Uint8Array(0);
    verifyStamp(stamped(sha256(base)), body, leaf);
    const refusal = (stamp: NativeStamp, of: AuthenticatorLeaf) => {
      try {
        verifyStamp(stamp, body, of);
      } catch (error) {
        return error instanceof KmsError ? error.code : error;
      }
      return 'accepted';
    };
    assert.equal(refusal(stamped(base.slice(0, 32)), leaf), 'stamp-invalid');
    assert.equal(refusal(stamped(sha256(sha256(base))), leaf), 'stamp-invalid');
    assert.equal(refusal(stamped(sha256(base)), { ...leaf, passkey: undefined }), 'stamp-invalid');
    const other = { ...leaf, publicKey: p256.publicKey(new Uint8Array(32).fill(6)) };
    assert.equal(refusal(stamped(sha256(base)), other), 'authenticator-unknown');
  });
});
