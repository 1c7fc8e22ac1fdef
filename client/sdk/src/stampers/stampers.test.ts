import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import * as p256 from '@keystead/crypto/p256';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import {
  type AuthenticatorLeaf,
  algorithmEd25519,
  algorithmSecp256r1,
  credentialPasskey,
  stampKindNative,
} from '@keystead/protocol/authority';
import { KmsError } from '@keystead/protocol/errors';
import { routeRpc, surfaceNative } from '@keystead/protocol/frames';
import { parseUuid } from '@keystead/protocol/ids';
import { readPasskeyRegistration } from '@keystead/protocol/passkey';
import {
  parseStamp,
  possessionMessage,
  requestIdentity,
  verifyPasskeyAssertion,
  verifySelfStamp,
  verifyStamp,
} from '@keystead/protocol/stamp';
import { softwareAuthenticator } from '../../testing/software-authenticator.ts';
import { stampRequest } from '../stamp-request.ts';
import { keyStamper } from './key.ts';
import { passkeyStamper, registerPasskey } from './passkey.ts';
import { newKeypairAuthenticator } from './possession.ts';
import type { Stamper } from './stamper.ts';
import { generateWebCryptoKey, webCryptoStamper } from './webcrypto.ts';

const body = utf8Encode('{"method":"getOrganization","params":{}}');
const deploymentId = new Uint8Array(32).fill(6);
const organizationId = '0f0e0d0c-0b0a-8908-8706-050403020100';
const registration = { deploymentId, organizationId, username: 'root' };
const secret = (byte: number) => new SecretBytes(new Uint8Array(32).fill(byte));

async function stamped(stamper: Stamper) {
  const request = await stampRequest({
    stamper,
    body,
    deployment: base64urlEncode(deploymentId),
    origin: 'none',
    organizationId: null,
    seen: undefined,
    now: 1_800_000_000_000,
    nonce: 'nonce-of-16-chars',
  });
  const { headers } = request;
  const stamp = parseStamp({
    surface: surfaceNative,
    route: routeRpc,
    path: '/v1/rpc',
    signatureInput: headers['signature-input'],
    signature: headers.signature,
    contentDigest: headers['content-digest'],
    deployment: headers['keystead-deployment'],
    origin: headers['keystead-origin'],
    seen: headers['keystead-seen'],
    phantomStamp: undefined,
    body,
  });
  assert.deepEqual(request.identity, requestIdentity(stamp, body));
  return stamp;
}

describe('stampers', () => {
  for (const algorithm of ['Ed25519', 'Secp256r1'] as const) {
    it(`stamps with a ${algorithm} key in memory`, async () => {
      const stamp = await stamped(keyStamper({ algorithm, privateKey: secret(9) }));
      assert.ok(verifySelfStamp(stamp, body));
      assert.equal(
        verifySelfStamp({ ...stamp, publicKey: new Uint8Array(stamp.publicKey.length) }, body),
        false,
      );
    });

    it(`stamps with a ${algorithm} key that WebCrypto does not give away`, async () => {
      const keys = await generateWebCryptoKey(algorithm);
      assert.equal(keys.privateKey.extractable, false);
      const stamper = await webCryptoStamper(keys);
      assert.ok(verifySelfStamp(await stamped(stamper), body));
    });
  }

  it('refuses a WebCrypto key that could be exported, and keys of other curves', async () => {
    const refused = (error: unknown) => error instanceof KmsError && error.code === 'public-key-unacceptable';
    const generate = (name: string, extractable: boolean) =>
      crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: name }, extractable, ['sign', 'verify']);
    await assert.rejects(webCryptoStamper((await generate('P-256', true)) as CryptoKeyPair), refused);
    await assert.rejects(webCryptoStamper((await generate('P-384', false)) as CryptoKeyPair), refused);
  });

  it('ends with its key', async () => {
    const privateKey = secret(9);
    const stamper = keyStamper({ algorithm: 'Ed25519', privateKey });
    privateKey.wipe();
    await assert.rejects(stamper.sign(body), TypeError);
  });

  it('proves possession of a key pair for one deployment, organization and user', async () => {
    const stamper = keyStamper({ algorithm: 'Ed25519', privateKey: secret(9) });
    const { proof, publicKey } = await newKeypairAuthenticator(stamper, registration, {
      authenticatorName: 'laptop',
    });
    const message = (username: string) =>
      possessionMessage({
        deployment: deploymentId,
        organization: parseUuid(organizationId)!,
        username,
        algorithm: algorithmEd25519,
        publicKey: stamper.publicKey,
      });
    assert.deepEqual(base64urlDecode(publicKey), stamper.publicKey);
    assert.ok(ed25519.verify(stamper.publicKey, message('root'), base64urlDecode(proof!)));
    assert.equal(ed25519.verify(stamper.publicKey, message('other'), base64urlDecode(proof!)), false);
  });
});

describe('passkeys', () => {
  const origin = 'https://wallet.example';
  const privateKey = new Uint8Array(32).fill(11);
  const credentials = softwareAuthenticator({ origin, privateKey });
  const register = () =>
    registerPasskey(
      { ...registration, authenticatorName: 'phone', rpId: 'wallet.example', rpName: 'Wallet' },
      credentials,
    );
  const leafOf = async (): Promise<{ leaf: AuthenticatorLeaf; stamper: Stamper }> => {
    const { authenticator, passkey } = await register();
    const read = readPasskeyRegistration(
      {
        credentialId: base64urlDecode(authenticator.credentialId),
        attestationObject: base64urlDecode(authenticator.attestationObject),
        clientDataJSON: base64urlDecode(authenticator.clientDataJSON),
      },
      'authenticator',
    );
    const leaf: AuthenticatorLeaf = {
      id: new Uint8Array(16),
      username: 'root',
      credential: credentialPasskey,
      algorithm: algorithmSecp256r1,
      publicKey: read.publicKey,
      passkey: { credentialId: read.credentialId, rpIdHash: read.rpIdHash, origin: read.origin },
      stampKinds: stampKindNative,
      createdAt: 0,
      expiresAt: undefined,
      ceiling: { actions: undefined, wallets: undefined, approvals: 0 },
    };
    return { leaf, stamper: passkeyStamper(passkey, credentials) };
  };

  it('registers with a proof that the enclaves accept', async () => {
    const { authenticator, passkey } = await register();
    assert.deepEqual(base64urlDecode(passkey.publicKey), p256.publicKey(privateKey));
    const { leaf } = await leafOf();
    const message = possessionMessage({
      deployment: deploymentId,
      organization: parseUuid(organizationId)!,
      username: 'root',
      algorithm: algorithmSecp256r1,
      publicKey: leaf.publicKey,
    });
    const proof = base64urlDecode(authenticator.proof);
    assert.ok(verifyPasskeyAssertion(proof, message, leaf.publicKey, leaf.passkey!));
    assert.equal(verifyPasskeyAssertion(proof, sha256(message), leaf.publicKey, leaf.passkey!), false);
  });

  it('says stamp-invalid when the browser or the person makes none', async () => {
    const declines = {
      create: () => Promise.reject(new DOMException('declined', 'NotAllowedError')),
      get: () => Promise.reject(new DOMException('declined', 'NotAllowedError')),
    };
    const gives = { create: async () => null, get: async () => null };
    const named = { ...registration, authenticatorName: 'phone', rpId: 'wallet.example', rpName: 'Wallet' };
    const refused = (error: unknown) => error instanceof KmsError && error.code === 'stamp-invalid';
    const { passkey } = await register();
    for (const refusing of [declines, gives]) {
      await assert.rejects(registerPasskey(named, refusing), refused);
      await assert.rejects(passkeyStamper(passkey, refusing).sign(body), refused);
    }
  });

  it('stamps, and is refused under another origin or without user verification', async () => {
    const { leaf, stamper } = await leafOf();
    const stamp = await stamped(stamper);
    verifyStamp(stamp, body, leaf);
    const passkey = { ...leaf.passkey!, origin: 'https://elsewhere.example' };
    assert.throws(() => verifyStamp(stamp, body, { ...leaf, passkey }), /./);
    const careless = softwareAuthenticator({ origin, privateKey, userVerified: false });
    const reference = {
      credentialId: 'AAAA',
      publicKey: base64urlEncode(leaf.publicKey),
      rpId: 'wallet.example',
    };
    const weak = await stamped(passkeyStamper(reference, careless));
    assert.throws(() => verifyStamp(weak, body, leaf), /./);
  });
});
