/** Attacks on stamps and their keys, ids B1 to B9 of docs/threat-model.md. */
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import nacl from 'tweetnacl';
import type { RawRequest } from '@keystead/protocol/frames';
import { InProcess } from '../core/in-process.ts';
import { randomFrom } from '../faults.ts';
import { type KeyAlgorithm, newStampKey, possessionProof, type StampKey, utf8 } from '../raw-client.ts';
import {
  accepted,
  Attacked,
  bodyText,
  Caller,
  compatibilityRequest,
  founding,
  keypair,
  nativeRequest,
  refused,
  SURFACES,
} from './attacked.ts';
import { highSTwin, lowOrderKeys, otherKeyOf, P256 } from './curve-points.ts';

const ALGORITHMS: readonly KeyAlgorithm[] = ['Ed25519', 'Secp256r1'];

const bytesOf = (value: bigint, length = 32) =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex'));

/** A key that says of itself what a test wants, and signs with another. */
const posing = (key: StampKey, as: Partial<StampKey>): StampKey => ({ ...key, ...as });

test('B1 naming another algorithm than the registered one in the stamp is refused, for every pair', async () => {
  for (const algorithm of ALGORITHMS) {
    const attacked = await Attacked.found(new InProcess({ log: () => {} }), newStampKey(algorithm));
    const { key, stack, deploymentId } = attacked;
    const registered = algorithm === 'Ed25519' ? 'ed25519' : 'ecdsa-p256-sha256';
    await attacked.unchangedBy(async () => {
      const codes = ['stamp-malformed', 'stamp-kind-not-allowed', 'stamp-invalid', 'public-key-unacceptable'];
      const names = [
        'ed25519',
        'ecdsa-p256-sha256',
        'webauthn-p256',
        'hmac-sha256',
        'rsa-pss-sha512',
        'none',
        'ED25519',
        '',
      ];
      for (const name of names.filter((one) => one !== registered)) {
        // Signed under the name that it states: the name is part of what is signed.
        const renamed = (text: string) => text.replace(`alg="${registered}"`, `alg="${name}"`);
        const signer = posing(key, {
          sign: (message) => key.sign(utf8(renamed(Buffer.from(message).toString()))),
        });
        const request = nativeRequest(
          signer,
          deploymentId,
          utf8(bodyText('native', 'signUtf8Message', attacked.message())),
        );
        const signatureInput = renamed(request.signatureInput!);
        assert.notEqual(signatureInput, request.signatureInput);
        refused(await stack.submit({ ...request, signatureInput }), codes, `${registered} as ${name}`);
      }
      for (const name of [
        'ed25519',
        'Ed25519',
        'SECP256R1',
        'Secp256k1',
        'HS256',
        'none',
        'RSA',
        '',
        null,
        0,
        ['Ed25519'],
      ]) {
        if (typeof name === 'string' && name.toLowerCase() === algorithm.toLowerCase()) continue;
        const body = utf8(bodyText('compatibility', 'signUtf8Message', attacked.message()));
        refused(
          await stack.submit(compatibilityRequest(key, body, { algorithm: name })),
          codes,
          `${algorithm} as ${name}`,
        );
      }
      for (const kind of ['', 'pki', 'HMAC', 'X509', null, 1]) {
        const body = utf8(bodyText('compatibility', 'signUtf8Message', attacked.message()));
        refused(await stack.submit(compatibilityRequest(key, body, { kind })), codes, `kind ${kind}`);
      }
    });
    for (const surface of SURFACES) accepted(await stack.submit(attacked.signing(surface)), 'the control');
  }
});

test('B1 stamping with the bytes of a registered key as a key of the other algorithm is refused', async () => {
  const p256 = newStampKey('Secp256r1');
  const attacked = await Attacked.found(new InProcess({ log: () => {} }), p256);
  const ed25519 = newStampKey('Ed25519');
  const x = Buffer.from(p256.publicKeyBytes.subarray(1, 33));
  const pairs: [string, StampKey][] = [
    ['x of P-256 as Ed25519', posing(ed25519, { publicKey: x.toString('base64url') })],
    [
      'x of P-256 as Ed25519, signed by P-256',
      posing(p256, { algorithm: 'Ed25519', publicKey: x.toString('base64url') }),
    ],
    ['P-256 whole as Ed25519', posing(p256, { algorithm: 'Ed25519' })],
    ['Ed25519 as P-256', posing(ed25519, { algorithm: 'Secp256r1' })],
  ];
  await attacked.unchangedBy(async () => {
    for (const [what, key] of pairs) {
      for (const surface of SURFACES) {
        const codes = ['stamp-malformed', 'public-key-unacceptable', 'authenticator-unknown'];
        refused(
          await attacked.stack.submit(attacked.signing(surface, attacked.with(key))),
          codes,
          `${surface}, ${what}`,
        );
      }
    }
  });
});

/** The same request with its 64-byte signature replaced. */
function withSignature(
  request: RawRequest,
  change: (signature: Uint8Array) => Uint8Array | string,
): RawRequest {
  const text = (value: Uint8Array | string, encoding: 'base64' | 'base64url') =>
    typeof value === 'string' ? value : Buffer.from(value).toString(encoding);
  if (request.phantomStamp === undefined) {
    const signature = Buffer.from(request.signature!.slice('keystead=:'.length, -1), 'base64');
    return { ...request, signature: `keystead=:${text(change(signature), 'base64')}:` };
  }
  const stamp = JSON.parse(Buffer.from(request.phantomStamp, 'base64url').toString()) as {
    signature: string;
  };
  const signature = text(change(Buffer.from(stamp.signature, 'base64url')), 'base64url');
  return {
    ...request,
    phantomStamp: Buffer.from(JSON.stringify({ ...stamp, signature })).toString('base64url'),
  };
}

test('B2 sending the twin of a P-256 signature with the other s counts as the same request', async () => {
  const attacked = await Attacked.found(new InProcess({ log: () => {} }), newStampKey('Secp256r1'));
  const { stack } = attacked;
  for (const surface of SURFACES) {
    const request = attacked.signing(surface);
    const twin = withSignature(request, highSTwin);
    assert.notDeepEqual(twin, request);
    const before = await attacked.entries();
    const [first, second] = await Promise.all([stack.submit(request), stack.submit(twin)]);
    assert.deepEqual(accepted(second!), accepted(first!), surface);
    assert.deepEqual(second!.identity, first!.identity);
    stack.restart();
    assert.deepEqual(accepted(await stack.submit(twin)), accepted(first!));
    assert.equal(await attacked.entries(), before + 1);
    // The twin alone is as good as its sibling: both values of s are accepted.
    const alone = withSignature(attacked.signing(surface), highSTwin);
    accepted(await stack.submit(alone), 'the control: the twin first');
    assert.equal(await attacked.entries(), before + 2);
    // A key that signs the same bytes with another nonce of ECDSA is the same request too.
    const body = Buffer.from(request.body);
    if (surface === 'compatibility') {
      assert.deepEqual(
        accepted(await stack.submit(compatibilityRequest(attacked.key, body))),
        accepted(first!),
      );
      assert.equal(await attacked.entries(), before + 2);
    }
  }
});

test('B2 writing a signature in another encoding, length or range is refused', async () => {
  for (const algorithm of ALGORITHMS) {
    const attacked = await Attacked.found(new InProcess({ log: () => {} }), newStampKey(algorithm));
    const order =
      algorithm === 'Secp256r1' ? P256.order : 2n ** 252n + 27742317777372353535851937790883648493n;
    const der = (signature: Uint8Array) => {
      const integer = (bytes: Uint8Array) => [2, 33, 0, ...bytes];
      const body = [...integer(signature.subarray(0, 32)), ...integer(signature.subarray(32))];
      return Uint8Array.from([0x30, body.length, ...body]);
    };
    const number = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
    const little = (bytes: Uint8Array) => Uint8Array.from(bytes).reverse();
    const half = (signature: Uint8Array) => signature.subarray(32);
    const beyond = (signature: Uint8Array) =>
      algorithm === 'Secp256r1'
        ? [...signature.subarray(0, 32), ...bytesOf((number(half(signature)) + order) % 2n ** 256n)]
        : [...signature.subarray(0, 32), ...little(bytesOf(number(little(half(signature))) + order))];
    const forms: [string, (signature: Uint8Array) => Uint8Array | string][] = [
      ['DER', der],
      ['a byte behind it', (s) => Uint8Array.from([...s, 0])],
      ['a byte before it', (s) => Uint8Array.from([0, ...s])],
      ['a byte less', (s) => s.subarray(0, 63)],
      ['empty', () => new Uint8Array()],
      ['twice', (s) => Uint8Array.from([...s, ...s])],
      ['all zeros', () => new Uint8Array(64)],
      ['s zero', (s) => Uint8Array.from([...s.subarray(0, 32), ...new Uint8Array(32)])],
      ['first half zero', (s) => Uint8Array.from([...new Uint8Array(32), ...half(s)])],
      [
        's the order',
        (s) => {
          const bytes = bytesOf(order);
          return Uint8Array.from([
            ...s.subarray(0, 32),
            ...(algorithm === 'Secp256r1' ? bytes : little(bytes)),
          ]);
        },
      ],
      ['s above the order', (s) => Uint8Array.from(beyond(s))],
      ['halves swapped', (s) => Uint8Array.from([...half(s), ...s.subarray(0, 32)])],
      ['all bits set', () => new Uint8Array(64).fill(255)],
      ['other padding', (s) => `${Buffer.from(s).toString('base64')}=`],
      [
        'stray bits in the last character',
        (s) =>
          Buffer.from(s)
            .toString('base64url')
            .replace(/.$/, (c) => (c === 'A' ? 'B' : c === 'Q' ? 'R' : c === 'g' ? 'h' : 'x')),
      ],
      ['white space', (s) => ` ${Buffer.from(s).toString('base64')}`],
      ['hexadecimal', (s) => Buffer.from(s).toString('hex')],
    ];
    await attacked.unchangedBy(async () => {
      for (const surface of SURFACES) {
        // Padding is the rule on the native surface and none on the other.
        const padding: (typeof forms)[number] =
          surface === 'native'
            ? ['no padding', (s) => Buffer.from(s).toString('base64').replace(/=+$/, '')]
            : ['padding', (s) => Buffer.from(s).toString('base64url').padEnd(88, '=')];
        for (const [what, change] of [...forms, padding]) {
          const spoiled = withSignature(attacked.signing(surface), change);
          refused(
            await attacked.stack.submit(spoiled),
            ['stamp-malformed', 'stamp-invalid'],
            `${algorithm}, ${surface}, ${what}`,
          );
        }
        const request = attacked.signing(surface);
        for (let bit = 0; bit < 512; bit += 37) {
          const flipped = withSignature(request, (s) =>
            s.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)),
          );
          refused(await attacked.stack.submit(flipped), 'stamp-invalid', `${surface}, bit ${bit}`);
        }
      }
    });
    for (const surface of SURFACES) {
      const same = withSignature(attacked.signing(surface), (signature) => signature);
      accepted(await attacked.stack.submit(same), 'the control: written as it was');
    }
  }
});

/** Every way to register a public key in an organization that exists. */
async function registrations(attacked: Attacked, authenticator: Record<string, unknown>) {
  const { organizationId } = attacked;
  const user = {
    username: `u${Math.random()}`,
    policy: { type: 'CEL', preset: 'DENY_ALL' },
    authenticators: [authenticator],
  };
  return [
    ['createAuthenticator', { organizationId, username: 'root', authenticator }],
    ['addUserToOrganization', { organizationId, user }],
    [
      'createOrganization',
      { ...founding(attacked.key), users: [...(founding(attacked.key).users as unknown[]), user] },
    ],
  ] as [string, Record<string, unknown>][];
}

async function assertUnacceptable(
  attacked: Attacked,
  algorithm: string,
  key: Uint8Array,
  what: string,
): Promise<void> {
  const publicKey = Buffer.from(key).toString('base64url');
  const codes = ['public-key-unacceptable', 'parameter-invalid'];
  const proof = Buffer.alloc(64).toString('base64url');
  const { organizationId } = attacked;
  for (const surface of SURFACES) {
    const authenticator = {
      authenticatorName: 'x',
      authenticatorKind: 'keypair',
      publicKey,
      algorithm,
      ...(surface === 'native' ? { proof } : {}),
    };
    for (const [method, params] of await registrations(attacked, authenticator))
      refused(
        await attacked.stack.submit(attacked.request(surface, method, params)),
        codes,
        `${surface} ${method}, ${what}`,
      );
    // Nor is it read from a stamp. Small-order keys verify a signature of zeros for many messages.
    const zeros = posing(newStampKey(algorithm as KeyAlgorithm), {
      publicKey,
      sign: () => Uint8Array.from([1, ...new Uint8Array(63)]),
    });
    refused(
      await attacked.stack.submit(
        attacked.with(zeros).request(surface, 'getOrganization', { organizationId }),
      ),
      ['public-key-unacceptable', 'stamp-malformed'],
      `${surface} stamp, ${what}`,
    );
  }
}

test('B3 registering or stamping with an Ed25519 key of small order or in a second spelling is refused', async (t) => {
  const attacked = await Attacked.found();
  const keys = lowOrderKeys();
  await attacked.unchangedBy(async () => {
    for (const [what, key] of keys) await assertUnacceptable(attacked, 'Ed25519', key, what);
  });
  t.diagnostic(`${keys.length} keys`);
  // What makes them hostile: under the neutral element a lenient verifier takes one signature for every message.
  const neutral = Uint8Array.from([1, ...new Uint8Array(31)]);
  const signature = Uint8Array.from([1, ...new Uint8Array(63)]);
  for (const message of ['one', 'other'])
    assert.ok(nacl.sign.detached.verify(utf8(message), signature, neutral), message);
  // The control: a key of full order by the same calls.
  const authenticator = keypair('good', newStampKey());
  for (const [method, params] of await registrations(attacked, authenticator))
    if (method !== 'addUserToOrganization') await attacked.result('compatibility', method, params);
});

test('B4 registering or stamping with a P-256 key off the curve, at infinity or in another form is refused', async (t) => {
  const attacked = await Attacked.found();
  const good = newStampKey('Secp256r1').publicKeyBytes;
  const x = good.subarray(1, 33);
  const y = good.subarray(33);
  const odd = (y[31]! & 1) as number;
  const zeros = new Uint8Array(32);
  const prime = bytesOf(P256.prime);
  const keys: [string, number[]][] = [
    ['compressed', [2 + odd, ...x]],
    ['compressed with the wrong parity, in full length', [3 - odd, ...x, ...y]],
    ['hybrid', [6 + odd, ...x, ...y]],
    ['hybrid with the wrong parity', [7 - odd, ...x, ...y]],
    ['without its prefix', [...x, ...y]],
    ['infinity in one byte', [0]],
    ['infinity in full length', [4, ...zeros, ...zeros]],
    ['zero prefix', [0, ...x, ...y]],
    ['y one off', [4, ...x, ...y.subarray(0, 31), y[31]! ^ 1]],
    ['x one off', [4, ...x.subarray(0, 31), x[31]! ^ 1, ...y]],
    ['x the prime', [4, ...prime, ...y]],
    ['y the prime', [4, ...x, ...prime]],
    ['x above the prime', [4, ...new Uint8Array(32).fill(255), ...y]],
    ['coordinates swapped', [4, ...y, ...x]],
    ['on the twist: x 0, y 0x…05', [4, ...zeros, ...bytesOf(5n)]],
    [
      'of secp256k1',
      [
        4,
        ...Buffer.from(
          '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8',
          'hex',
        ),
      ],
    ],
    ['a byte behind it', [...good, 0]],
    ['empty', []],
  ];
  await attacked.unchangedBy(async () => {
    for (const [what, key] of keys)
      await assertUnacceptable(attacked, 'Secp256r1', Uint8Array.from(key), what);
  });
  t.diagnostic(`${keys.length} keys`);
  const authenticator = keypair('good', newStampKey('Secp256r1'));
  for (const [method, params] of await registrations(attacked, authenticator))
    if (method !== 'addUserToOrganization') await attacked.result('compatibility', method, params);
});

test("B5 registering a victim's key in the attacker's organization gives neither anything in the other", async () => {
  const victim = await Attacked.found();
  const attacker = await Attacked.found(victim.stack);
  const { stack } = victim;
  // A compatibility registration carries no proof of possession.
  const user = {
    username: 'shadow',
    policy: { type: 'CEL', preset: 'DENY_ALL' },
    authenticators: [keypair('shadow', victim.key)],
  };
  await attacker.result('compatibility', 'addUserToOrganization', {
    organizationId: attacker.organizationId,
    user,
  });
  stack.restart();
  for (const surface of SURFACES) {
    accepted(await stack.submit(victim.signing(surface)), 'the victim in its own organization');
    refused(
      await stack.submit(attacker.signing(surface, victim)),
      'policy-denied',
      "by the attacker's rules there",
    );
    refused(await stack.submit(victim.signing(surface, attacker)), 'authenticator-unknown', 'the attacker');
    accepted(await stack.submit(attacker.signing(surface)), 'the control: the attacker at home');
  }
  // Deleting the shadow ends nothing at the victim's.
  await attacker.result('native', 'deleteUserFromOrganization', {
    organizationId: attacker.organizationId,
    username: 'shadow',
  });
  for (const surface of SURFACES) accepted(await stack.submit(victim.signing(surface)));
});

test("B6 presenting a victim's signature under another key that verifies it is refused", async () => {
  const attacked = await Attacked.found(new InProcess({ log: () => {} }), newStampKey('Secp256r1'));
  const { stack, key } = attacked;
  for (const surface of SURFACES) {
    const request = attacked.signing(surface);
    let signed: Uint8Array = request.body;
    let signature: Uint8Array = new Uint8Array();
    withSignature(request, (bytes) => {
      signature = bytes;
      return bytes;
    });
    if (surface === 'native') {
      // What was signed, as the test's own client builds it.
      const recorder = posing(key, {
        sign: (message) => {
          signed = message;
          return signature;
        },
      });
      const nonce = /nonce="([^"]+)"/.exec(request.signatureInput!)![1]!;
      const created = Number(/created=(\d+)/.exec(request.signatureInput!)![1]);
      nativeRequest(recorder, attacked.deploymentId, request.body, { nonce, created });
    }
    const substitute = otherKeyOf(key.publicKeyBytes, signature, signed);
    const asKey = posing(key, {
      publicKey: Buffer.from(substitute).toString('base64url'),
      sign: () => signature,
    });
    const jwk = {
      kty: 'EC',
      crv: 'P-256',
      x: Buffer.from(substitute.subarray(1, 33)).toString('base64url'),
      y: Buffer.from(substitute.subarray(33)).toString('base64url'),
    };
    assert.notDeepEqual(substitute, key.publicKeyBytes);
    const substituteKey = {
      key: createPublicKey({ key: jwk, format: 'jwk' }),
      dsaEncoding: 'ieee-p1363',
    } as const;
    assert.ok(
      verify('sha256', signed, substituteKey, signature),
      'the crafted key verifies the same signature',
    );

    const crafted: RawRequest =
      surface === 'native'
        ? { ...request, signatureInput: request.signatureInput!.replace(key.publicKey, asKey.publicKey) }
        : compatibilityRequest(asKey, request.body);
    refused(await stack.submit(crafted), 'authenticator-unknown', surface);

    // Its maker cannot prove that it holds the crafted key, which it must on the native surface.
    const proof = Buffer.from(signature).toString('base64url');
    const { organizationId } = attacked;
    const authenticator = { ...keypair('crafted', asKey), proof };
    refused(
      await stack.submit(
        attacked.request('native', 'createAuthenticator', {
          organizationId,
          username: 'root',
          authenticator,
        }),
      ),
      'possession-proof-invalid',
    );
    if (surface === 'native') {
      // Even where a root user registered it: the key stands in what is signed.
      const { proof: _, ...unproven } = authenticator;
      await attacked.result('compatibility', 'createAuthenticator', {
        organizationId,
        username: 'root',
        authenticator: unproven,
      });
      refused(await stack.submit(crafted), ['stamp-invalid', 'stamp-kind-not-allowed'], 'registered');
    }
    accepted(await stack.submit(request), 'the control: under the key that made it');
  }
});

test('B8 registering a key natively without a proof that its holder asks for it is refused', async () => {
  const attacked = await Attacked.found();
  const { organizationId, deploymentId, stack } = attacked;
  const elsewhere = await Attacked.found(stack);
  const otherDeployment = new Caller(new InProcess({ log: () => {} })).deploymentId;
  for (const algorithm of ALGORITHMS) {
    const victim = newStampKey(algorithm);
    const mine = newStampKey(algorithm);
    const create = (proof: string | undefined, key = victim) => {
      const authenticator = keypair('taken', key, proof === undefined ? {} : { proof });
      return stack.submit(
        attacked.request('native', 'createAuthenticator', {
          organizationId,
          username: 'root',
          authenticator,
        }),
      );
    };
    await attacked.unchangedBy(async () => {
      refused(await create(undefined), 'possession-proof-missing');
      const proofs: [string, string][] = [
        [
          "by the attacker's own key",
          possessionProof(posing(victim, { sign: mine.sign }), deploymentId, organizationId, 'root'),
        ],
        ["of the attacker's own key", possessionProof(mine, deploymentId, organizationId, 'root')],
        ['for another organization', possessionProof(victim, deploymentId, elsewhere.organizationId, 'root')],
        ['for another deployment', possessionProof(victim, otherDeployment, organizationId, 'root')],
        ['for another user', possessionProof(victim, deploymentId, organizationId, 'other')],
        [
          'for a founding',
          possessionProof(victim, deploymentId, '00000000-0000-0000-0000-000000000000', 'root'),
        ],
        ['of zeros', Buffer.alloc(64).toString('base64url')],
        ['of random bytes', Buffer.alloc(64, 0x5a).toString('base64url')],
      ];
      for (const [what, proof] of proofs)
        refused(await create(proof), 'possession-proof-invalid', `${algorithm}, ${what}`);
      const user = {
        username: `u-${algorithm}`,
        policy: { type: 'CEL', preset: 'ALLOW_ALL' },
        authenticators: [keypair('taken', victim)],
      };
      refused(
        await stack.submit(attacked.request('native', 'addUserToOrganization', { organizationId, user })),
        'possession-proof-missing',
        'with a new user',
      );
      const founded = {
        ...founding(attacked.key),
        users: [...(founding(attacked.key).users as unknown[]), user],
      };
      refused(
        await stack.submit(attacked.request('native', 'createOrganization', founded)),
        'possession-proof-missing',
        'at a founding',
      );
    });
    accepted(
      await create(possessionProof(victim, deploymentId, organizationId, 'root')),
      'the control: by its holder',
    );
    // What is left: the compatibility format has no place for a proof.
    const authenticator = keypair('unproven', newStampKey(algorithm));
    await attacked.result('compatibility', 'createAuthenticator', {
      organizationId,
      username: 'root',
      authenticator,
    });
  }
});

interface Listed {
  readonly username: string;
  readonly authenticators: readonly {
    readonly id: string;
    readonly publicKey: string;
    readonly expiresAtMs?: string;
  }[];
}

test('B9 removing, expiring or demoting the last lasting key of the last root user is refused, by any order of changes', async (t) => {
  const seed = Number(process.env.KEYSTEAD_TEST_SEED ?? 20_261_120);
  t.diagnostic(`seed ${seed}; another with KEYSTEAD_TEST_SEED`);
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  const attacked = await Attacked.found();
  const { stack, organizationId } = attacked;
  const keys = new Map<string, StampKey>([[attacked.key.publicKey, attacked.key]]);
  const roots = new Set(['root']);
  let acting: Caller = attacked;
  const listed = async () =>
    (await acting.result<{ users: Listed[] }>('native', 'getOrganization', { organizationId })).users;
  const fresh = (more: Record<string, unknown> = {}) => {
    const key = newStampKey();
    keys.set(key.publicKey, key);
    return keypair('k', key, more);
  };
  const counts = { accepted: 0, refused: 0 };
  for (let step = 0; step < 120; step += 1) {
    const users = await listed();
    const user = pick(users);
    const { username } = user;
    const authenticatorId = user.authenticators.length === 0 ? organizationId : pick(user.authenticators).id;
    const changes: [string, Record<string, unknown>][] = [
      ['deleteAuthenticator', { username, authenticatorId }],
      ['deleteAuthenticator', { username, authenticatorId }],
      [
        'updateAuthenticator',
        { username, authenticatorId, authenticator: { expiresInMs: 1 + random(86_400_000) } },
      ],
      ['deleteUserFromOrganization', { username }],
      ['updateUserInOrganization', { username, newPolicy: { type: 'CEL', preset: 'ALLOW_ALL' } }],
      ['updateUserInOrganization', { username, newPolicy: { type: 'ROOT' } }],
      [
        'createAuthenticator',
        { username, authenticator: fresh(random(2) === 0 ? {} : { expiresInMs: 86_400_000 }) },
      ],
      [
        'addUserToOrganization',
        {
          user: {
            username: `u${step}`,
            policy: { type: pick(['ROOT', 'CEL']), preset: 'ALLOW_ALL' },
            authenticators: [fresh()],
          },
        },
      ],
    ];
    const [method, params] = pick(changes);
    if (method === 'addUserToOrganization') {
      const added = (params.user as { policy: Record<string, unknown> }).policy;
      if (added.type === 'ROOT') delete added.preset;
    }
    const answer = await stack.submit(acting.request('compatibility', method, { organizationId, ...params }));
    if (answer.status === 200) {
      counts.accepted += 1;
      if (method === 'updateUserInOrganization') {
        if ((params.newPolicy as { type: string }).type === 'ROOT') roots.add(username);
        else roots.delete(username);
      } else if (method === 'deleteUserFromOrganization') roots.delete(username);
      else if (method === 'addUserToOrganization') {
        const { user: added } = params as { user: { username: string; policy: { type: string } } };
        if (added.policy.type === 'ROOT') roots.add(added.username);
      }
    } else counts.refused += 1;
    // Whoever acted may have removed itself: then another root key that lasts acts, and there is always one.
    const survivors: Caller[] = [];
    for (const candidate of [acting.key, ...keys.values()]) {
      const by = attacked.with(candidate);
      const seen = await stack.submit(by.request('native', 'getOrganization', { organizationId }));
      if (seen.status !== 200) {
        keys.delete(candidate.publicKey);
        continue;
      }
      const isOwn = ({ publicKey }: { publicKey: string }) => publicKey === candidate.publicKey;
      const holder = (seen.body as { users: Listed[] }).users.find((user) => user.authenticators.some(isOwn));
      const lasts = holder?.authenticators.find(isOwn)?.expiresAtMs === undefined;
      if (holder === undefined || !roots.has(holder.username) || !lasts) continue;
      survivors.push(by);
      break;
    }
    assert.ok(survivors.length > 0, `step ${step}, ${method}: nobody can act as root any more`);
    acting = survivors[0]!;
  }
  assert.ok(counts.accepted > 30 && counts.refused > 5, JSON.stringify(counts));
});

test('B9 taking the last root key away is refused whichever way, and the last but one is not', async () => {
  for (const surface of SURFACES) {
    const attacked = await Attacked.found();
    const { stack, organizationId } = attacked;
    const [first] = await attacked.authenticators();
    const ways: [string, Record<string, unknown>][] = [
      ['deleteAuthenticator', { username: 'root', authenticatorId: first!.id }],
      [
        'updateAuthenticator',
        { username: 'root', authenticatorId: first!.id, authenticator: { expiresInMs: 1000 } },
      ],
      ['deleteUserFromOrganization', { username: 'root' }],
      ['updateUserInOrganization', { username: 'root', newPolicy: { type: 'CEL', preset: 'ALLOW_ALL' } }],
    ];
    for (const [method, params] of ways)
      refused(
        await stack.submit(attacked.request(surface, method, { organizationId, ...params })),
        ['last-root-authenticator', 'parameter-invalid'],
        `${surface} ${method}`,
      );
    // A root key that expires is not one that lasts.
    const expiring = keypair('expiring', newStampKey(), { expiresInMs: 86_400_000 });
    await attacked.result('compatibility', 'createAuthenticator', {
      organizationId,
      username: 'root',
      authenticator: expiring,
    });
    refused(
      await stack.submit(
        attacked.request(
          surface,
          ...(ways[0]!.map((one, at) => (at === 0 ? one : { organizationId, ...(one as object) })) as [
            string,
            Record<string, unknown>,
          ]),
        ),
      ),
      'last-root-authenticator',
    );
    const second = newStampKey();
    await attacked.result('compatibility', 'createAuthenticator', {
      organizationId,
      username: 'root',
      authenticator: keypair('second', second),
    });
    const [method, params] = ways[0]!;
    accepted(
      await stack.submit(attacked.request(surface, method, { organizationId, ...params })),
      'the control',
    );
    accepted(
      await stack.submit(attacked.with(second).request('native', 'getOrganization', { organizationId })),
    );
  }
});
