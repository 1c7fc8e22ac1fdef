import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import { verifyAnswer } from '@keystead/protocol/answer-signature';
import nacl from 'tweetnacl';
import bs58 from 'bs58';
import { InProcess } from './in-process.ts';
import { stamped as stampedWith } from './stamped.ts';

const seed = new Uint8Array(32).fill(7);
const publicKey = ed25519.publicKey(seed);

const stamped = (method: string, params: unknown) => stampedWith(method, params, seed);

const founding = () =>
  stamped('createOrganization', {
    organizationName: 'Acme',
    users: [
      {
        username: 'root',
        policy: { type: 'ROOT' },
        authenticators: [
          {
            authenticatorName: 'a1',
            authenticatorKind: 'keypair',
            publicKey: base64urlEncode(publicKey),
            algorithm: 'Ed25519',
          },
        ],
      },
    ],
    tags: [],
  });

test('a stamped request becomes an entry, a receipt and a signature that another library verifies', async () => {
  const stack = new InProcess({ log: (event, fields) => console.error(event, fields) });
  const organization = await stack.submit(founding());
  assert.equal(organization.status, 200, JSON.stringify(organization.body));
  const { organizationId } = organization.body as { organizationId: string };
  const wallet = await stack.submit(stamped('createWallet', { organizationId, walletName: 'W' }));
  assert.equal(wallet.status, 200, JSON.stringify(wallet.body));
  const { walletId, accounts } = wallet.body as { walletId: string; accounts: { address: string }[] };
  const signed = await stack.submit(
    stamped('signUtf8Message', {
      organizationId,
      walletId,
      message: 'hello',
      algorithm: 'Ed25519',
      derivationInfo: { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' },
    }),
  );
  assert.equal(signed.status, 200, JSON.stringify(signed.body));
  const { signature, address } = signed.body as { signature: string; address: string };
  assert.equal(address, accounts[0].address);
  assert.ok(
    nacl.sign.detached.verify(Buffer.from('hello'), base64urlDecode(signature), bs58.decode(address)),
  );
  const statement = verifyAnswer({
    signature: signed.signature,
    deploymentKeys: stack.contexts.signer.deployment,
    deploymentId: stack.contexts.signer.deploymentId,
    identity: signed.identity,
    status: 200,
    body: signed.body as never,
  });
  assert.equal(statement.position, 3);
});

test('gives a repeated request the same answer, also after every program was started again', async () => {
  const stack = new InProcess({ log: (event, fields) => console.error(event, fields) });
  const { organizationId } = (await stack.submit(founding())).body as { organizationId: string };
  const make = stamped('createWallet', { organizationId, walletName: 'W' });
  const wallets = await Promise.all(Array.from({ length: 5 }, () => stack.submit(make)));
  for (const wallet of wallets) assert.deepEqual(wallet.body, wallets[0].body);
  stack.restart();
  const again = await stack.submit(make);
  assert.deepEqual(again.body, wallets[0].body);
  const listed = await stack.submit(
    stamped('getOrganizationWallets', { organizationId, limit: 20, offset: 0 }),
  );
  assert.equal((listed.body as { totalCount: number }).totalCount, 1);
});
