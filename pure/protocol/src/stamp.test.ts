import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { base64Decode, base64Encode } from '@keystead/crypto/base64';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Decode, utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import * as p256 from '@keystead/crypto/p256';
import { sha256 } from '@keystead/crypto/sha256';
import {
  type AuthenticatorLeaf,
  credentialKeypair,
  credentialPasskey,
  keyHashOf,
  stampKindNative,
  stampKindPki,
} from './authority.ts';
import { KmsError } from './errors.ts';
import { type RawRequest, routeRpc, surfaceCompatibility, surfaceNative } from './frames.ts';
import { parseUuid } from './ids.ts';
import {
  assertFresh,
  decisionWindowMilliseconds,
  type NativeStamp,
  parseStamp,
  possessionMessage,
  requestIdentity,
  type Stamp,
  verifySelfStamp,
  verifyStamp,
} from './stamp.ts';

interface Case {
  readonly name: string;
  readonly path: string;
  readonly body: string;
  readonly privateKey: string;
  readonly publicKey: string;
  readonly headers: Readonly<Record<string, string | null>>;
  readonly keyHash: string;
  readonly identity: string;
}
interface Vectors {
  readonly deploymentId: string;
  readonly native: readonly (Case & {
    readonly signatureBase: string;
    readonly passkey?: { readonly rpId: string; readonly origin: string };
  })[];
  readonly pki: readonly (Case & { readonly stamp: string })[];
  readonly nativeRefused: {
    readonly cases: readonly {
      readonly name: string;
      readonly code: string;
      readonly headers: Readonly<Record<string, string | null>>;
      readonly body?: string;
    }[];
  };
  readonly pkiRefused: {
    readonly cases: readonly {
      readonly name: string;
      readonly code: string;
      readonly stamp: string | null;
    }[];
  };
  readonly freshness: {
    readonly native: readonly {
      readonly now: number;
      readonly created: number;
      readonly expires: number;
      readonly fresh: boolean;
    }[];
    readonly compatibility: readonly {
      readonly timestampMs: number;
      readonly now: number;
      readonly fresh: boolean;
    }[];
  };
  readonly possession: readonly {
    readonly name: string;
    readonly algorithm: number;
    readonly publicKey: string;
    readonly keyHash: string;
    readonly organizationId: string;
    readonly username: string;
    readonly message: string;
    readonly proof: string;
  }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/keystead/stamp.json', import.meta.url), 'utf8'),
) as Vectors;
const [plain, , overP256, twin, passkeyCase] = vectors.native;
const [pki] = vectors.pki;

function raw(from: Pick<Case, 'path' | 'body' | 'headers'>): RawRequest {
  const header = (name: string) => from.headers[name] ?? undefined;
  return {
    surface: from.path === '/v1/rpc' ? surfaceNative : surfaceCompatibility,
    route: routeRpc,
    path: from.path,
    signatureInput: header('signature-input'),
    signature: header('signature'),
    contentDigest: header('content-digest'),
    deployment: header('keystead-deployment'),
    origin: header('keystead-origin'),
    seen: header('keystead-seen'),
    phantomStamp: header('x-phantom-stamp'),
    body: utf8Encode(from.body),
  };
}

function leafOf(from: (typeof vectors.native)[number] | Case, change: Partial<AuthenticatorLeaf> = {}) {
  const stamp = parseStamp(raw(from));
  const passkey = 'passkey' in from ? from.passkey : undefined;
  return {
    id: new Uint8Array(16),
    username: 'root',
    credential: passkey === undefined ? credentialKeypair : credentialPasskey,
    algorithm: stamp.algorithm,
    publicKey: stamp.publicKey,
    passkey:
      passkey === undefined
        ? undefined
        : {
            credentialId: new Uint8Array(1),
            rpIdHash: sha256(utf8Encode(passkey.rpId)),
            origin: passkey.origin,
          },
    stampKinds: stampKindNative | stampKindPki,
    createdAt: 0,
    expiresAt: undefined,
    ceiling: { actions: undefined, wallets: undefined, approvals: 0 },
    ...change,
  } satisfies AuthenticatorLeaf;
}

const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof KmsError, String(error));
    return error.code;
  }
  return 'accepted';
};

describe('spec/stamp.md, vectors', () => {
  for (const vector of vectors.native)
    it(`native: ${vector.name}`, () => {
      const stamp = parseStamp(raw(vector)) as NativeStamp;
      const body = utf8Encode(vector.body);
      assert.equal(utf8Decode(stamp.base), vector.signatureBase);
      assert.equal(hexEncode(stamp.keyHash), vector.keyHash);
      assert.equal(hexEncode(stamp.deployment), vectors.deploymentId);
      assert.equal(hexEncode(requestIdentity(stamp, body)), vector.identity);
      verifyStamp(stamp, body, leafOf(vector));
      assert.equal(verifySelfStamp(stamp, body), vector.passkey === undefined);
      const tampered = { ...stamp, base: utf8Encode(vector.signatureBase.replace('POST', 'post')) };
      assert.equal(
        codeOf(() => verifyStamp(tampered, body, leafOf(vector))),
        'stamp-invalid',
      );
    });

  for (const vector of vectors.pki)
    it(`compatibility: ${vector.name}`, () => {
      const stamp = parseStamp(raw(vector));
      const body = utf8Encode(vector.body);
      assert.equal(hexEncode(stamp.keyHash), vector.keyHash);
      assert.equal(hexEncode(requestIdentity(stamp, body)), vector.identity);
      verifyStamp(stamp, body, leafOf(vector));
      const other = utf8Encode(`${vector.body} `);
      assert.equal(
        codeOf(() => verifyStamp(stamp, other, leafOf(vector))),
        'stamp-invalid',
      );
      assert.notEqual(hexEncode(requestIdentity(stamp, other)), vector.identity);
    });

  it('keys and signatures follow from the private keys, which are deterministic', () => {
    for (const vector of vectors.native) {
      if (vector.passkey !== undefined || vector === twin) continue;
      const stamp = parseStamp(raw(vector)) as NativeStamp;
      const scheme = stamp.publicKey.length === 32 ? ed25519 : p256;
      const key = hexDecode(vector.privateKey);
      assert.equal(hexEncode(scheme.publicKey(key)), vector.publicKey);
      assert.deepEqual(scheme.sign(key, stamp.base), stamp.signature);
    }
  });

  it('proofs of possession', () => {
    for (const vector of vectors.possession) {
      const publicKey = hexDecode(vector.publicKey);
      const message = possessionMessage({
        deployment: hexDecode(vectors.deploymentId),
        organization: parseUuid(vector.organizationId)!,
        username: vector.username,
        algorithm: vector.algorithm,
        publicKey,
      });
      assert.equal(hexEncode(message), vector.message, vector.name);
      assert.equal(hexEncode(keyHashOf(vector.algorithm, publicKey)), vector.keyHash);
      const { verify } = publicKey.length === 32 ? ed25519 : p256;
      assert.ok(verify(publicKey, message, hexDecode(vector.proof)), vector.name);
    }
    assert.equal(new Set(vectors.possession.map(({ message }) => message)).size, vectors.possession.length);
  });
});

describe('stamps that are refused', () => {
  it('accepts the stamp that every case of the table changes in one place', () => {
    assert.equal(
      codeOf(() => parseStamp(raw(plain!))),
      'accepted',
    );
    assert.equal(
      codeOf(() => parseStamp(raw(pki!))),
      'accepted',
    );
  });

  for (const { name, code, headers, body } of vectors.nativeRefused.cases)
    it(`native, ${name}: ${code}`, () => {
      const changed = { ...plain!, body: body ?? plain!.body, headers: { ...plain!.headers, ...headers } };
      assert.notDeepEqual(changed, plain);
      assert.equal(
        codeOf(() => parseStamp(raw(changed))),
        code,
      );
    });

  for (const { name, code, stamp } of vectors.pkiRefused.cases)
    it(`compatibility, ${name}: ${code}`, () => {
      const header = stamp === null ? null : base64urlEncode(utf8Encode(stamp));
      const changed = { ...pki!, headers: { 'x-phantom-stamp': header } };
      assert.equal(
        codeOf(() => parseStamp(raw(changed))),
        code,
      );
    });

  it('refuses a native stamp on the compatibility surface and the reverse', () => {
    assert.equal(
      codeOf(() => parseStamp({ ...raw(plain!), surface: surfaceCompatibility })),
      'stamp-missing',
    );
    assert.equal(
      codeOf(() => parseStamp({ ...raw(pki!), surface: surfaceNative })),
      'stamp-malformed',
    );
    const both = { ...raw(plain!), phantomStamp: raw(pki!).phantomStamp };
    assert.equal(
      codeOf(() => parseStamp({ ...both, surface: surfaceCompatibility })),
      'stamp-malformed',
    );
  });

  it('refuses what the leaf of the authenticator does not allow', () => {
    const refusal = (from: Case, change: Partial<AuthenticatorLeaf>) =>
      codeOf(() => verifyStamp(parseStamp(raw(from)), utf8Encode(from.body), leafOf(from, change)));
    assert.equal(refusal(plain!, {}), 'accepted');
    assert.equal(
      refusal(plain!, { publicKey: hexDecode(vectors.native[2]!.publicKey) }),
      'authenticator-unknown',
    );
    assert.equal(refusal(plain!, { stampKinds: stampKindPki }), 'stamp-kind-not-allowed');
    assert.equal(refusal(pki!, { stampKinds: stampKindNative }), 'stamp-kind-not-allowed');
    assert.equal(refusal(plain!, { credential: credentialPasskey }), 'stamp-kind-not-allowed');
    assert.equal(refusal(passkeyCase!, { credential: credentialKeypair }), 'stamp-kind-not-allowed');
    const { passkey } = leafOf(passkeyCase!);
    const elsewhere = { ...passkey!, origin: 'https://elsewhere.example' };
    assert.equal(refusal(passkeyCase!, { passkey: elsewhere }), 'stamp-invalid');
    const otherParty = { ...passkey!, rpIdHash: new Uint8Array(32) };
    assert.equal(refusal(passkeyCase!, { passkey: otherParty }), 'stamp-invalid');
  });

  it('refuses every single changed bit of a signature', () => {
    for (const vector of [plain!, overP256!]) {
      const stamp = parseStamp(raw(vector));
      for (let bit = 0; bit < 512; bit += 7) {
        const signature = stamp.signature.slice();
        signature[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(verifySelfStamp({ ...stamp, signature } as Stamp, utf8Encode(vector.body)), false);
      }
    }
  });
});

describe('freshness', () => {
  for (const { now, created, expires, fresh } of vectors.freshness.native)
    it(`a stamp of ${expires - created} s is ${fresh ? 'fresh' : 'not fresh'} ${now - created} s after it was made`, () => {
      const stamp = { ...(parseStamp(raw(plain!)) as NativeStamp), created, expires };
      assert.equal(
        codeOf(() => assertFresh(stamp, null, now * 1000)),
        fresh ? 'accepted' : 'stamp-expired',
      );
    });

  for (const { timestampMs, now, fresh } of vectors.freshness.compatibility)
    it(`timestampMs is ${fresh ? 'fresh' : 'not fresh'} at ${now - timestampMs} ms`, () => {
      const stamp = parseStamp(raw(pki!));
      assert.equal(
        codeOf(() => assertFresh(stamp, timestampMs, now)),
        fresh ? 'accepted' : 'stamp-expired',
      );
    });

  it('has no two moments further apart than the window of decisions, on either surface', () => {
    const native = parseStamp(raw(plain!)) as NativeStamp;
    const spans: { first: number; last: number }[] = [];
    for (const [stamp, timestampMs] of [
      [{ ...native, created: 10_000, expires: 10_060 }, null],
      [parseStamp(raw(pki!)), 10_000_000],
    ] as const) {
      const fresh: number[] = [];
      for (let now = 9_000_000; now <= 11_000_000; now += 500)
        if (codeOf(() => assertFresh(stamp, timestampMs, now)) === 'accepted') fresh.push(now);
      spans.push({ first: fresh[0]!, last: fresh.at(-1)! });
    }
    for (const { first, last } of spans) assert.ok(last - first <= decisionWindowMilliseconds);
    assert.ok(spans.some(({ first, last }) => last - first === decisionWindowMilliseconds));
  });
});

describe('identity', () => {
  const identityOf = (from: Pick<Case, 'path' | 'body' | 'headers'>) =>
    requestIdentity(parseStamp(raw(from)), utf8Encode(from.body));

  it('is one for both values of s of a P-256 signature, on both surfaces', () => {
    assert.notEqual(overP256!.headers.signature, twin!.headers.signature);
    assert.ok(equalBytes(identityOf(overP256!), identityOf(twin!)));
    const compatible = vectors.pki[1]!;
    const fields = JSON.parse(compatible.stamp) as Record<string, string>;
    const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
    const signature = Buffer.from(fields.signature!, 'base64url');
    const other = (order - BigInt(`0x${signature.subarray(32).toString('hex')}`))
      .toString(16)
      .padStart(64, '0');
    fields.signature = Buffer.concat([signature.subarray(0, 32), Buffer.from(other, 'hex')]).toString(
      'base64url',
    );
    const header = base64urlEncode(utf8Encode(JSON.stringify(fields)));
    const changed = { ...compatible, headers: { 'x-phantom-stamp': header } };
    verifyStamp(parseStamp(raw(changed)), utf8Encode(changed.body), leafOf(compatible));
    assert.ok(equalBytes(identityOf(compatible), identityOf(changed)));
  });

  it('is another for another nonce, time, path, body, deployment, origin or position seen', () => {
    const { headers } = plain!;
    const input = headers['signature-input']!;
    const organizationId = '0f0e0d0c-0b0a-8908-8706-050403020100';
    const body = plain!.body.replace('getOrganization', 'listPendingMigrations');
    const digest = `sha-256=:${base64Encode(sha256(utf8Encode(body)))}:`;
    const others = [
      plain!,
      { ...plain!, headers: { ...headers, 'signature-input': input.replace('AAEC', 'AAED') } },
      { ...plain!, headers: { ...headers, 'signature-input': input.replace('1800000060', '1800000059') } },
      { ...plain!, body, headers: { ...headers, 'content-digest': digest } },
      { ...plain!, headers: { ...headers, 'keystead-deployment': base64urlEncode(new Uint8Array(32)) } },
      { ...plain!, headers: { ...headers, 'keystead-origin': 'https://wallet.example' } },
      { ...plain!, headers: { ...headers, 'keystead-seen': `${organizationId};0;${'A'.repeat(43)}` } },
    ].map((from) => hexEncode(identityOf(from)));
    const stamp = parseStamp({ ...raw(plain!), path: '/v2/rpc' });
    others.push(hexEncode(requestIdentity(stamp, utf8Encode(plain!.body))));
    assert.equal(new Set(others).size, 8);
  });

  it('does not depend on the signature, so that nobody but the key decides what is new', () => {
    const signature = base64Decode(plain!.headers.signature!.slice(10, -1)).map((byte) => byte ^ 1);
    const changed = {
      ...plain!,
      headers: { ...plain!.headers, signature: `keystead=:${base64Encode(signature)}:` },
    };
    assert.ok(equalBytes(identityOf(plain!), identityOf(changed)));
    assert.equal(verifySelfStamp(parseStamp(raw(changed)), utf8Encode(changed.body)), false);
  });
});
