import { withStack } from './with-stack.ts';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import bs58 from 'bs58';
import nacl from 'tweetnacl';
import { type Answer, post, type RawClient, nativeStamp, pkiStamp, utf8 } from './raw-client.ts';

const SOLANA = "m/44'/501'/0'/0'";
const TIMES = 20;

let client: RawClient;
let organizationId: string;
let walletId: string;
let address: string;

const running = withStack({}, async (running) => {
  ({ client, organizationId } = await running.organization());
  const wallet = await client.call<{ walletId: string; accounts: { address: string }[] }>('createWallet', {
    organizationId,
    walletName: 'W',
  });
  walletId = wallet.walletId;
  address = wallet.accounts[0]!.address;
});

type Send = () => Promise<Answer>;

/** The same bytes under the same stamp, as often as it is called. */
function compatibility(method: string, params: Record<string, unknown>): Send {
  const body = client.body(method, { organizationId, ...params });
  const stamp = pkiStamp(client.key, body);
  return () => post(`${running.api}/v1/wallets/kms/rpc`, body, { 'x-phantom-stamp': stamp });
}

function native(method: string, params: Record<string, unknown>): Send {
  const body = utf8(JSON.stringify({ method, params: { organizationId, ...params } }));
  const { deploymentId } = running.stack;
  const headers = nativeStamp(client.key, { path: '/v1/rpc', body, deploymentId });
  return () => post(`${running.api}/v1/rpc`, body, headers);
}

const all = (send: Send) => Promise.all(Array.from({ length: TIMES }, send));

/** The one result of answers that all succeeded and are equal. */
function only<T>(answers: readonly Answer[]): T {
  for (const { status, text } of answers) assert.equal(status, 200, text);
  const results = new Set(answers.map(({ body }) => JSON.stringify(body!.result)));
  assert.equal(results.size, 1, [...results].join('\n'));
  return answers[0]!.body!.result as T;
}

const message = (text: string) => ({ walletId, message: text, algorithm: 'Ed25519', derivationInfo: SOLANA });
const verifies = (signature: string, text: string) =>
  nacl.sign.detached.verify(Buffer.from(text), Buffer.from(signature, 'base64url'), bs58.decode(address));

const signatures = async () => (await running.figures()).get('signer.signatures') ?? Number.NaN;

describe('identical requests', { concurrency: false }, () => {
  for (const [surface, make] of Object.entries({ compatibility, native })) {
    test(`${TIMES} at once on the ${surface} surface: one signature, one entry, equal answers`, async () => {
      const signed = await signatures();
      const entries = running.entries(organizationId);
      const send = make('signUtf8Message', message(surface));
      const { signature } = only<{ signature: string }>(await all(send));
      assert.ok(verifies(signature, surface));
      assert.equal(await signatures(), signed + 1);
      assert.equal(running.entries(organizationId), entries + 1);
      // The control: another message is another signature and another entry.
      only(await all(make('signUtf8Message', message(`${surface} again`))));
      assert.equal(await signatures(), signed + 2);
      assert.equal(running.entries(organizationId), entries + 2);
    });
  }

  test('the same bytes after every process was killed: the same answers, no entry more', async () => {
    const sends = [
      compatibility('signUtf8Message', message('killed')),
      native('signUtf8Message', message('killed natively')),
      compatibility('createWallet', { walletName: 'killed' }),
      compatibility('signUtf8Message', { ...message('denied'), walletId: organizationId }),
    ];
    const before = await Promise.all(sends.map((send) => send()));
    assert.deepEqual(
      before.map(({ status }) => status),
      [200, 200, 200, 404],
    );
    const entries = running.entries(organizationId);
    await running.killAll();
    for (const [index, send] of sends.entries()) {
      const answers = await all(send);
      for (const { status, text } of answers) assert.equal(status, before[index]!.status, text);
      const stated = ({ body }: Answer) => JSON.stringify(body!.result ?? [body!.code, body!.detail]);
      assert.deepEqual([...new Set(answers.map(stated))], [stated(before[index]!)]);
    }
    assert.equal(running.entries(organizationId), entries);
    // Signing again gives the same bytes, once for each of the two messages.
    assert.equal(await signatures(), 2);
  });

  test('a denial is final too, and counted once', async () => {
    const entries = running.entries(organizationId);
    const answers = await all(
      compatibility('signUtf8Message', { ...message('x'), walletId: organizationId }),
    );
    assert.deepEqual(
      [...new Set(answers.map(({ status, body }) => `${status} ${body!.code}`))],
      ['404 wallet-not-found'],
    );
    assert.equal(running.entries(organizationId), entries + 1);
  });

  test(`${TIMES} different requests at once for one tag get one wallet`, async () => {
    const wallets = () => client.call<{ totalCount: number }>('getOrganizationWallets', { organizationId });
    const { totalCount } = await wallets();
    const params = { walletName: 'App Wallet', tag: 'client-1' };
    const answers = await Promise.all(
      Array.from({ length: TIMES }, (_, i) =>
        client.rpc('getOrCreateWalletWithTag', { organizationId, ...params }, Date.now() + i),
      ),
    );
    only(answers);
    assert.equal((await wallets()).totalCount, totalCount + 1);
  });
});
