/** What the entry of a denial keeps of the request (spec/entry.md), in one process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Decode } from '@keystead/crypto/bytes';
import { outcomeAllow, outcomeDeny } from '@keystead/protocol/entry';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { HostileWorld, idBytes, member, solana } from '../attacks/hostile-world.ts';
import { entryOfRow } from '../attacks/stolen-keys.ts';

test('a denial keeps key and effects of what was asked for up to a size, and no larger ones; nothing is reserved or signed', async () => {
  const world = new HostileWorld();
  const { organizationId, wallet } = await world.tenant();
  await world.addMember(organizationId);
  const policy = {
    version: 1,
    rules: [
      {
        id: 'few',
        effect: 'allow',
        on: ['sign-transaction'],
        when: { every: 'effects.outflows', where: { field: 'item.amount', operator: '<=', value: '10' } },
      },
    ],
  };
  await world.done(world.call('updatePolicy', { organizationId, policyName: 'few', policy }));
  const account = wallet.accounts.find(({ derivationPath }) => derivationPath === solana.derivationPath)!;
  const from = new PublicKey(account.address);
  const pays = async (lamports: number, transfers: number) => {
    const to = Keypair.generate().publicKey;
    const transaction = new Transaction({ feePayer: from, recentBlockhash: to.toBase58() });
    for (let index = 0; index < transfers; index += 1)
      transaction.add(SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports }));
    const params = {
      organizationId,
      walletId: wallet.walletId,
      transaction: transaction
        .serialize({ requireAllSignatures: false, verifySignatures: false })
        .toString('base64url'),
      derivationInfo: solana,
    };
    const { status } = await world.submit(world.call('signTransaction', params, member));
    const rows = await world.stack.store.entries(idBytes(organizationId), 1, 1000);
    const entry = entryOfRow(rows.at(-1)!.bytes);
    return { status, entry };
  };

  const small = await pays(11, 2);
  assert.deepEqual([small.status, small.entry.decision.outcome], [403, outcomeDeny]);
  const effects = JSON.parse(utf8Decode(small.entry.effects)) as { outflows: { amount: string }[] };
  assert.deepEqual(
    effects.outflows.map(({ amount }) => amount),
    ['11', '11'],
  );
  assert.deepEqual(small.entry.keyUse?.walletId, idBytes(wallet.walletId));
  assert.equal(small.entry.keyUse?.derivationPath, solana.derivationPath);
  assert.equal(small.entry.reservations.length, 0);

  const large = await pays(11, 30);
  assert.deepEqual([large.status, large.entry.decision.outcome], [403, outcomeDeny]);
  assert.deepEqual([large.entry.effects.length, large.entry.keyUse], [0, undefined]);
  assert.equal(await world.signatureCount(), 0);

  // The control: what is allowed keeps as many effects as there are.
  const allowed = await pays(10, 30);
  assert.deepEqual([allowed.status, allowed.entry.decision.outcome], [200, outcomeAllow]);
  assert.ok(allowed.entry.effects.length > 4096);
});
