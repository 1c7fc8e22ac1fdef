import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import type { ToSigner } from '@keystead/protocol/frames';
import { receiptLifetimeMilliseconds } from '@keystead/protocol/receipt';
import { InProcess } from './in-process.ts';
import { stamped } from './stamped.ts';

const rootSeed = new Uint8Array(32).fill(1);
const userSeed = new Uint8Array(32).fill(2);
const account = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };

const key = (name: string, seed: Uint8Array) => ({
  authenticatorName: name,
  authenticatorKind: 'keypair',
  publicKey: base64urlEncode(ed25519.publicKey(seed)),
  algorithm: 'Ed25519',
});

/** An organization whose second user has a request decided, its ticket held back by the host. */
async function heldTicket() {
  let shift = 0;
  const stack = new InProcess({ clock: () => Date.now() + shift });
  const now = () => Date.now() + shift;
  const call = async (method: string, params: unknown, seed = rootSeed) => {
    const answer = await stack.submit(stamped(method, params, seed, now()));
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body as Record<string, string>;
  };
  const { organizationId } = await call('createOrganization', {
    organizationName: 'Acme',
    users: [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [key('root', rootSeed)] }],
    tags: [],
  });
  await call('addUserToOrganization', {
    organizationId,
    user: {
      username: 'clerk',
      policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
      authenticators: [key('clerk', userSeed)],
    },
  });
  const { walletId } = await call('createWallet', { organizationId, walletName: 'W' });

  const held: ToSigner[] = [];
  stack.host = {
    toSigner: (message) => {
      if (message.type !== 'tickets') return message;
      held.push(message);
      return null;
    },
  };
  const signing = stack.submit(
    stamped(
      'signUtf8Message',
      { organizationId, walletId, message: 'pay', algorithm: 'Ed25519', derivationInfo: account },
      userSeed,
      now(),
    ),
  );
  signing.catch(() => {});
  while (held.length === 0) await delay(1);
  const revocation = stack.submit(
    stamped('deleteUserFromOrganization', { organizationId, username: 'clerk' }, rootSeed, now()),
  );
  let answered = false;
  void revocation.then(() => {
    answered = true;
  });
  while (held.length === 1) await delay(1);
  await delay(50);
  return {
    stack,
    signing,
    revocation,
    isAnswered: () => answered,
    ticket: held[0],
    floor: held[1],
    advance: (milliseconds: number) => {
      shift += milliseconds;
    },
  };
}

test('a revocation is not answered while a ticket from before it could still be signed', async () => {
  const world = await heldTicket();
  assert.equal(world.isAnswered(), false);
  // The control: the ticket that the host held back is signed, and nobody was told otherwise.
  world.stack.give({ to: 'signer', message: world.ticket });
  assert.equal((await world.signing).status, 200);
  assert.equal(world.isAnswered(), false);
  world.stack.give({ to: 'signer', message: world.floor });
  assert.equal((await world.revocation).status, 200);
});

test('once the signer has noted the floor the revocation is answered, and the held ticket is refused for ever', async () => {
  const world = await heldTicket();
  world.stack.give({ to: 'signer', message: world.floor });
  assert.equal((await world.revocation).status, 200);
  world.stack.give({ to: 'signer', message: world.ticket });
  const { status, body } = await world.signing;
  assert.ok(status === 409 || status === 503, JSON.stringify(body));
  assert.ok(['head', 'floor'].includes((body as { check: string }).check));
});

test('without the signer the revocation is answered when no receipt of before can be alive', async () => {
  const world = await heldTicket();
  world.advance(receiptLifetimeMilliseconds + 1);
  world.stack.give({ to: 'policy', message: { type: 'ping', id: 1 } });
  assert.equal((await world.revocation).status, 200);
  world.stack.give({ to: 'signer', message: world.ticket });
  assert.equal(((await world.signing).body as { check: string }).check, 'receipt-age');
});

test('a signer that was started again signs nothing that was certified before', async () => {
  const world = await heldTicket();
  world.stack.give({ to: 'signer', message: world.floor });
  assert.equal((await world.revocation).status, 200);
  await delay(2);
  world.stack.restart(['signer']);
  world.stack.give({ to: 'signer', message: world.ticket });
  assert.equal(((await world.signing).body as { check: string }).check, 'receipt-age');
});
