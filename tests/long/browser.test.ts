import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import bs58 from 'bs58';
import nacl from 'tweetnacl';
import type { Page } from 'playwright-core';
import type { PasskeyReference } from '@keystead/sdk/stampers/passkey';
import { TestStack } from '../with-stack.ts';
import type { BrowserKey, Outcome, Place, Refusal } from './browser-page.ts';
import {
  bundlePage,
  Chromium,
  close,
  inPage,
  type PageBundle,
  servePage,
  type VirtualAuthenticator,
  visit,
} from './chromium.ts';
import { honest, LyingProxy } from './lying-proxy.ts';

const stack = new TestStack({});
let bundle: PageBundle;
let servers: Server[] = [];
let chromium: Chromium;
let page: Page;
/** The page's origin, and another one of the same host, to which the browser gives the same relying party. */
let home: string;
let elsewhere: string;

const p256: BrowserKey = { name: 'session', algorithm: 'Secp256r1' };
const ed25519: BrowserKey = { name: 'session-ed25519', algorithm: 'Ed25519' };

const deployment = () => ({ api: stack.api, root: stack.stack.deploymentId });

function resultOf<T>(outcome: Outcome<T>): T {
  if ('result' in outcome) return outcome.result;
  assert.fail(`refused: ${JSON.stringify(outcome.refusal)}`);
}

function refusalOf(outcome: Outcome<unknown>): Refusal {
  if ('refusal' in outcome) return outcome.refusal;
  assert.fail(`not refused: ${JSON.stringify(outcome.result)}`);
}

/** Whether a library that the product does not import finds the signature of the address over the text. */
function isSigned(message: string, { signature, address }: { signature: string; address: string }): boolean {
  return nacl.sign.detached.verify(
    Buffer.from(message),
    Buffer.from(signature, 'base64url'),
    bs58.decode(address),
  );
}

/** The attestation object without its flag of user verification, which no attestation signs. */
function unverified(attestationObject: string): string {
  const bytes = Buffer.from(attestationObject, 'base64url');
  const flags = bytes.indexOf(createHash('sha256').update('localhost').digest()) + 32;
  assert.equal(bytes[flags]! & 0x04, 0x04);
  bytes[flags]! &= ~0x04;
  return bytes.toString('base64url');
}

before(async () => {
  bundle = await bundlePage();
  const served = await Promise.all([servePage(bundle), servePage(bundle)]);
  servers = served.map(({ server }) => server);
  [home, elsewhere] = served.map(({ port }) => `http://localhost:${port}/`) as [string, string];
  await stack.start();
  chromium = await Chromium.start();
  page = await chromium.open(home);
});

after(async () => {
  await chromium?.stop();
  await Promise.all(servers.map(close));
  await stack.stop();
});

describe('the SDK in a browser', () => {
  it('is bundled without a module of Node', () => {
    assert.deepEqual(bundle.externals, []);
    assert.ok(bundle.inputs.includes('pure/crypto/src/backend/portable.ts'));
    const ofNode = bundle.inputs.filter((path) => /\/node(\/|\.ts$)/.test(path));
    assert.deepEqual(ofNode, []);
  });

  for (const key of [p256, ed25519]) {
    describe(`with a ${key.algorithm} key that the browser keeps`, () => {
      let place: Place;
      let publicKey: string;

      it('founds an organization, makes a wallet and signs', async () => {
        place = await inPage(page, 'found', deployment(), key);
        publicKey = await inPage(page, 'publicKeyOf', key);
        const signed = resultOf(await inPage(page, 'signWithKey', place, key, 'first'));
        assert.ok(isSigned('first', signed));
        assert.equal(isSigned('second', signed), false);
      });

      it('gives the private key to nobody', async () => {
        const { extractable, usages, json } = await inPage(page, 'storedKeyProperties', key.name);
        assert.deepEqual({ extractable, usages, json }, { extractable: false, usages: ['sign'], json: '{}' });
        const attempts = await inPage(page, 'exportAttempts', key.name);
        assert.equal(attempts.length, 5);
        for (const name of attempts) assert.equal(name, 'InvalidAccessError');
      });

      it('finds the same key after the page was loaded anew, and in another tab', async () => {
        await visit(page, home);
        assert.equal(await inPage(page, 'publicKeyOf', key), publicKey);
        const again = resultOf(await inPage(page, 'signWithKey', place, key, 'after the reload'));
        assert.ok(isSigned('after the reload', again));
        const tab = await chromium.open(home);
        const fromTab = resultOf(await inPage(tab, 'signWithKey', place, key, 'from the tab'));
        await tab.close();
        await page.bringToFront();
        assert.ok(isSigned('from the tab', fromTab));
        assert.equal(fromTab.position, again.position + 1);
        assert.equal(fromTab.address, again.address);
      });

      it('is refused from a page of another origin, which has another key', async () => {
        const foreign = await chromium.open(elsewhere);
        const otherKey = await inPage(foreign, 'publicKeyOf', key);
        const refusal = refusalOf(await inPage(foreign, 'signWithKey', place, key, 'foreign'));
        await foreign.close();
        await page.bringToFront();
        assert.notEqual(otherKey, publicKey);
        assert.equal(refusal.code, 'authenticator-unknown');
      });
    });
  }

  it('gives one key to two callers that open a new name at once', async () => {
    const [first, second] = await inPage(page, 'publicKeysOf', { name: 'both', algorithm: 'Secp256r1' });
    assert.equal(first, second);
    assert.equal(await inPage(page, 'publicKeyOf', { name: 'both', algorithm: 'Secp256r1' }), first);
  });

  it('refuses a key that is kept for another algorithm than the one asked for', async () => {
    const refusal = refusalOf(await inPage(page, 'openKey', { name: p256.name, algorithm: 'Ed25519' }));
    assert.equal(refusal.code, 'public-key-unacceptable');
  });
});

describe('a passkey in a browser', () => {
  const key: BrowserKey = { name: 'founder', algorithm: 'Secp256r1' };
  let place: Place;
  let authenticator: VirtualAuthenticator;
  let passkey: PasskeyReference;

  before(async () => {
    authenticator = await chromium.addAuthenticator(page);
    place = await inPage(page, 'found', deployment(), key);
  });

  const make = async (provenFor?: string) => resultOf(await inPage(page, 'makePasskey', place, provenFor));

  it('is registered with a proof of possession, and stamps', async () => {
    const made = await make();
    passkey = made.passkey;
    const added = resultOf(await inPage(page, 'addAuthenticator', place, key, made.authenticator));
    assert.equal(added.authenticatorKind, 'passkey');
    assert.equal(added.publicKey, passkey.publicKey);
    assert.equal(await authenticator.count(), 1);
    const signed = resultOf(await inPage(page, 'signWithPasskey', place, { passkey }, 'by passkey'));
    assert.ok(isSigned('by passkey', signed));
  });

  it('stamps after the page was loaded anew', async () => {
    await visit(page, home);
    const signed = resultOf(await inPage(page, 'signWithPasskey', place, { passkey }, 'anew'));
    assert.ok(isSigned('anew', signed));
  });

  it('is refused for an assertion over another request', async () => {
    const use = { passkey, insteadOver: 'another request' };
    const refusal = refusalOf(await inPage(page, 'signWithPasskey', place, use, 'swapped'));
    assert.equal(refusal.code, 'stamp-invalid');
  });

  it('is refused without user verification, by the browser and by the enclaves', async () => {
    const careless = { passkey, careless: true };
    await authenticator.verifyUser(false);
    try {
      const byBrowser = refusalOf(await inPage(page, 'signWithPasskey', place, { passkey }, 'unrecognized'));
      assert.deepEqual([byBrowser.code, byBrowser.stated], ['stamp-invalid', undefined]);
      const byEnclave = refusalOf(await inPage(page, 'signWithPasskey', place, careless, 'unrecognized'));
      assert.equal(byEnclave.code, 'stamp-invalid');
      assert.equal(byEnclave.stated, false);
      const unmade = refusalOf(await inPage(page, 'makePasskey', place));
      assert.equal(unmade.code, 'stamp-invalid');
    } finally {
      await authenticator.verifyUser(true);
    }
    resultOf(await inPage(page, 'signWithPasskey', place, { passkey }, 'recognized'));
  });

  it('is refused from a page of another origin with the same relying party', async () => {
    await visit(page, elsewhere);
    try {
      const refusal = refusalOf(await inPage(page, 'signWithPasskey', place, { passkey }, 'elsewhere'));
      assert.equal(refusal.code, 'stamp-invalid');
      // The browser made the assertion: it is the enclaves that refuse the origin.
      assert.equal(refusal.stated, false);
    } finally {
      await visit(page, home);
    }
    resultOf(await inPage(page, 'signWithPasskey', place, { passkey }, 'at home again'));
  });

  it('is refused by the browser from a page of another host', async () => {
    await visit(page, home.replace('localhost', '127.0.0.1'));
    try {
      const refusal = refusalOf(await inPage(page, 'signWithPasskey', place, { passkey }, 'another host'));
      assert.deepEqual([refusal.code, refusal.stated], ['stamp-invalid', undefined]);
    } finally {
      await visit(page, home);
    }
  });

  it('is not registered with a proof for another organization, with that of another passkey, with none, or unverified', async () => {
    const foreign = await make('0f0e0d0c-0b0a-8908-8706-050403020100');
    const [one, other] = [await make(), await make()];
    const { proof: _proof, ...unproven } = one.authenticator;
    const cases = [
      [foreign.authenticator, 'possession-proof-invalid'],
      [{ ...one.authenticator, proof: other.authenticator.proof }, 'possession-proof-invalid'],
      [{ ...one.authenticator, credentialId: other.authenticator.credentialId }, 'parameter-invalid'],
      [
        { ...one.authenticator, attestationObject: unverified(one.authenticator.attestationObject) },
        'parameter-invalid',
      ],
      [unproven as typeof one.authenticator, 'possession-proof-missing'],
    ] as const;
    for (const [given, code] of cases) {
      const refusal = refusalOf(await inPage(page, 'addAuthenticator', place, key, given));
      assert.equal(refusal.code, code);
    }
    const unregistered = { passkey: other.passkey };
    const refusal = refusalOf(await inPage(page, 'signWithPasskey', place, unregistered, 'unregistered'));
    assert.equal(refusal.code, 'authenticator-unknown');
    resultOf(await inPage(page, 'addAuthenticator', place, key, one.authenticator));
  });
});

describe('a server that lies to a page', () => {
  const key: BrowserKey = { name: 'deceived', algorithm: 'Ed25519' };
  let proxy: LyingProxy;
  let place: Place;

  before(async () => {
    proxy = new LyingProxy(stack.api);
    await proxy.start();
    place = { ...(await inPage(page, 'found', deployment(), key)), api: proxy.api };
  });

  after(() => proxy.stop());

  const lied = async (told: typeof honest, work: () => Promise<Outcome<unknown>>): Promise<Refusal> => {
    const before = proxy.lies;
    proxy.lie = told;
    try {
      const refusal = refusalOf(await work());
      assert.ok(proxy.lies > before, 'it did not lie');
      return refusal;
    } finally {
      proxy.lie = honest;
    }
  };
  const sign = (message: string) => inPage(page, 'signWithKey', place, key, message);

  it('is believed as long as it tells the truth', async () => {
    assert.ok(isSigned('true', resultOf(await sign('true'))));
    assert.equal(proxy.lies, 0);
  });

  it('is found out when it answers with the true answer to another request', async () => {
    let earlier: { status: number; body: Record<string, unknown> } | undefined;
    const swap: typeof honest = (_path, answer, method) => {
      if (method !== 'signUtf8Message') return answer;
      earlier ??= answer;
      return earlier;
    };
    const refusal = await lied(swap, () =>
      inPage(page, 'signTwiceWithKey', place, key, ['one', 'another'] as const),
    );
    assert.equal(refusal.code, 'answer-unverified');
  });

  it('is found out when it answers with a wallet of its own', async () => {
    const own: typeof honest = (_path, { status, body }, method) =>
      method === 'signUtf8Message'
        ? {
            status,
            body: {
              ...body,
              result: { ...(body.result as object), address: bs58.encode(new Uint8Array(32)) },
            },
          }
        : { status, body };
    assert.equal((await lied(own, () => sign('own'))).code, 'answer-unverified');
  });

  it('is found out when it leaves the statement of the enclave out', async () => {
    const unsigned: typeof honest = (path, { status, body: { signature, ...body } }) => ({
      status,
      body: path === '/v1/rpc' ? body : { ...body, ...(signature === undefined ? {} : { signature }) },
    });
    assert.equal((await lied(unsigned, () => sign('unsigned'))).code, 'answer-unverified');
  });

  it('is found out when it shows the keys of another deployment', async () => {
    const other: typeof honest = (path, { status, body }) => {
      if (path !== '/v1/deployment') return { status, body };
      const keys = structuredClone(body.keys) as Record<string, { sign: string }>;
      keys.signer!.sign = Buffer.alloc(32, 9).toString('base64url');
      return { status, body: { ...body, keys } };
    };
    assert.equal((await lied(other, () => sign('other'))).code, 'deployment-mismatch');
  });

  it('cannot put a refusal into the mouth of an enclave', async () => {
    const denied: typeof honest = (path, answer) =>
      path === '/v1/rpc'
        ? { status: 403, body: { code: 'policy-denied', title: 'Denied', detail: 'denied' } }
        : answer;
    const refusal = await lied(denied, () => sign('denied'));
    assert.deepEqual([refusal.code, refusal.stated], ['policy-denied', false]);
    const signature: typeof honest = (path, answer) =>
      path === '/v1/rpc'
        ? { status: 403, body: { ...denied(path, answer, undefined).body, signature: answer.body.signature } }
        : answer;
    assert.equal((await lied(signature, () => sign('denied'))).code, 'answer-unverified');
  });
});
