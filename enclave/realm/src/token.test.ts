import { SettingsError } from '@keystead/enclave-runtime/operator-settings';
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import { hexEncode } from '@keystead/crypto/hex';
import { parseRealmSettings } from './tenants.ts';
import { judgeToken, permits, type Scope } from './token.ts';

const realmId = new Uint8Array(16).fill(0x0f);
const secret = 'a secret of the tenant';
const ed25519 = generateKeyPairSync('ed25519');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
const spki = (key: KeyObject) => key.export({ format: 'der', type: 'spki' }).toString('hex');

const { tenants } = parseRealmSettings(
  JSON.stringify({
    tenants: {
      acme: {
        keys: {
          '1': secret,
          '2': { data: spki(ed25519.publicKey), encoding: 'Hex', algorithm: 'Edwards25519' },
          '3': { data: spki(rsa.publicKey), encoding: 'Hex', algorithm: 'RsaPkcs1Sha256' },
          '4': { data: spki(weak.publicKey), encoding: 'Hex', algorithm: 'RsaPkcs1Sha256' },
        },
      },
      'test-acme': { keys: { '1': 'the secret of another tenant' } },
    },
  }),
  'production',
);

const now = 1_800_000_000;
type Members = Record<string, unknown>;
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims: Members = {
  iss: 'acme',
  sub: '0123',
  aud: hexEncode(realmId),
  iat: now,
  nbf: now,
  exp: now + 600,
  scope: 'user',
};

function token(changed: Members = {}, header: Members = {}, key: string | KeyObject = secret): string {
  const signed = `${part({ alg: 'HS256', kid: 'acme:1', typ: 'JWT', ...header })}.${part({ ...claims, ...changed })}`;
  const signature =
    typeof key === 'string'
      ? createHmac('sha256', key).update(signed).digest()
      : sign(key.asymmetricKeyType === 'rsa' ? 'sha256' : null, Buffer.from(signed), key);
  return `${signed}.${signature.toString('base64url')}`;
}

const judge = (text: string, scope: Scope = 'user', at = now) => {
  const judged = judgeToken(text, scope, { tenants, realmId, now: at * 1000 });
  return 'refused' in judged ? judged.refused : judged.user;
};

test('tokens of all three algorithms and of every key version are accepted', () => {
  assert.equal(judge(token()), '0123');
  assert.equal(judge(token({}, { alg: 'EdDSA', kid: 'acme:2' }, ed25519.privateKey)), '0123');
  assert.equal(judge(token({}, { alg: 'RS256', kid: 'acme:3' }, rsa.privateKey)), '0123');
  assert.equal(judge(token({ scope: undefined })), '0123');
  assert.equal(judge(token({ nbf: undefined, iat: undefined })), '0123');
  assert.equal(judge(token({ aud: [claims.aud] })), '0123');
  assert.equal(judge(token({ exp: now + 86_400 })), '0123');
  assert.equal(judge(token({ scope: 'audit' }), 'audit'), '0123');
  assert.equal(judge(token(), 'user', now + 605), '0123');
});

test('every other token is refused with its reason', () => {
  const hmacWithPublicKey = token({}, { kid: 'acme:2' }, spki(ed25519.publicKey));
  const good = token();
  const [head, body, signature] = good.split('.') as [string, string, string];
  const refusals: Record<string, string[]> = {
    'token-malformed': [
      '',
      'a.b',
      'a.b.c.d',
      `${good}=`,
      `${head}.${body}.${signature.slice(0, -1)}+`,
      `${part([])}.${body}.${signature}`,
      `${Buffer.from('{"alg":"HS256","alg":"none","kid":"acme:1"}').toString('base64url')}.${body}.${signature}`,
      token({}, { typ: 'JWE' }),
      token({}, { crit: ['exp'] }),
      token({}, { kid: 1 }),
      token({ x: 'y'.repeat(2048) }),
    ],
    'token-key-unknown': [
      token({}, { kid: 'acme:9' }),
      token({}, { kid: 'acme:01' }),
      token({}, { kid: 'other:1' }),
      token({}, { kid: 'acme' }),
    ],
    'token-algorithm': [
      token({}, { alg: 'none' }),
      token({}, { alg: 'HS512' }),
      token({}, { alg: 'RS256' }),
      token({}, { alg: 'hs256' }),
      hmacWithPublicKey,
    ],
    'token-signature': [
      token({}, {}, 'another secret of the tenant'),
      `${head}.${part({ ...claims, sub: '4567' })}.${signature}`,
      `${head}.${body}.`,
      token({}, { alg: 'EdDSA', kid: 'acme:2' }, generateKeyPairSync('ed25519').privateKey),
      token({}, { alg: 'RS256', kid: 'acme:4' }, weak.privateKey),
    ],
    'token-issuer': [token({ iss: 'test-acme' }), token({ iss: undefined })],
    'token-subject': [token({ sub: '' }), token({ sub: 7 }), token({ sub: undefined })],
    'token-audience': [
      token({ aud: '00'.repeat(16) }),
      token({ aud: undefined }),
      token({ aud: [claims.aud, claims.aud] }),
    ],
    'token-scope': [token({ scope: 'audit' }), token({ scope: 'admin' })],
    'token-times': [token({ exp: undefined }), token({ exp: '9999999999' }), token({ nbf: 'now' })],
    'token-expired': [token({ exp: now - 6 })],
    'token-early': [token({ nbf: now + 6 }), token({ iat: now + 6 })],
    'token-lifetime': [
      token({ exp: now + 86_406 }),
      token({ exp: now + 86_406, nbf: undefined, iat: undefined }),
    ],
  };
  for (const [reason, texts] of Object.entries(refusals))
    for (const text of texts) assert.equal(judge(text), reason, text);
  assert.equal(judge(token(), 'audit'), 'token-scope');
  assert.equal(judge(token({ scope: undefined }), 'audit'), 'token-scope');
});

test('settings that could be misread are refused, with the member and without its content', () => {
  const tenant = { keys: { '1': secret } };
  const refused = (value: unknown) => {
    try {
      parseRealmSettings(typeof value === 'string' ? value : JSON.stringify(value), 'development');
    } catch (error) {
      assert.ok(error instanceof SettingsError, String(error));
      assert.equal(error.message.includes(secret), false);
      return error.message;
    }
    return 'accepted';
  };
  assert.equal(refused({ tenants: { acme: tenant } }), 'accepted');
  for (const bad of [
    '{"tenants":{},"tenants":{}}',
    { tenant: {} },
    { tenants: { 'a:b': tenant } },
    { tenants: { acme: { keys: {} } } },
    { tenants: { acme: { keys: { x: secret } } } },
    { tenants: { acme: { keys: { '1': 'short' } } } },
    { tenants: { acme: { keys: { '1': { data: 'zz', encoding: 'Hex', algorithm: 'Edwards25519' } } } } },
    { tenants: { acme: { ...tenant, guesses: { minimum: 0 } } } },
    { tenants: { acme: { ...tenant, guesses: { minimum: 9, maximum: 8 } } } },
    { tenants: { acme: { ...tenant, guesses: { maximum: 101 } } } },
    { tenants: { acme: { ...tenant, delays: [-1] } } },
    { tenants: { acme: { ...tenant, rate: { user: 0 } } } },
    { tenants: { acme: { ...tenant, unknown: 1 } } },
    { tenants: {}, noise: { newest: 0 } },
    { tenants: {}, noise: { newest: 9, oldest: 1 } },
  ])
    assert.notEqual(refused(bad), 'accepted', JSON.stringify(bad));
});

test('a token of a narrower scope is for the requests of that scope, and one of the scope user for all', () => {
  const requests = [
    'Register1',
    'Register2',
    'Recover1',
    'Recover2',
    'Recover3',
    'Status',
    'Delete',
  ] as const;
  const permitted = (scope: string) => {
    const bearer = judgeToken(token({ scope }), 'user', { tenants, realmId, now: now * 1000 });
    assert.ok(!('refused' in bearer));
    return requests.filter((request) => permits(bearer, request));
  };
  assert.deepEqual(permitted('user'), requests);
  assert.deepEqual(permitted('register'), ['Register1', 'Register2']);
  assert.deepEqual(permitted('recover'), ['Recover1', 'Recover2', 'Recover3', 'Status']);
  assert.deepEqual(permitted('status'), ['Status']);
  assert.deepEqual(permitted('delete'), ['Delete']);
  for (const scope of ['audit', 'Register', 'recover delete', '', 'constructor'])
    assert.equal(judge(token({ scope })), 'token-scope');
  for (const scope of ['user', 'register', 'recover', 'status', 'delete'])
    assert.equal(judge(token({ scope }), 'audit'), 'token-scope');
});

test('a tenant can bound how long its tokens live', () => {
  const { tenants: strict } = parseRealmSettings(
    JSON.stringify({ tenants: { acme: { keys: { '1': secret }, tokenSeconds: 60 } } }),
    'production',
  );
  const lives = (seconds: number) =>
    judgeToken(token({ exp: now + seconds }), 'user', { tenants: strict, realmId, now: now * 1000 });
  assert.ok(!('refused' in lives(60)));
  assert.deepEqual(lives(66), { refused: 'token-lifetime' });
});
