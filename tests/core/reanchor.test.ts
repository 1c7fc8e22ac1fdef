/** The heads log is lost, or an older copy of it is brought back, and the operators anchor it anew (spec/heads.md §8). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import { Entry } from '@keystead/protocol/entry';
import {
  errorOf,
  HostileWorld,
  idBytes,
  member,
  root,
  signingParams,
  type Tenant,
} from '../attacks/hostile-world.ts';
import { memoryHeads } from './in-process.ts';

type Heads = HeadsPort & { readonly records: Map<number, Uint8Array> };

/** The same deployment and its database on another heads log, started with this epoch. */
function onHeads(before: HostileWorld, heads: Heads, reanchorEpoch: number, store = before.stack.store) {
  before.now += 60_000;
  const { certifier } = before.contexts;
  const contexts = {
    ...before.contexts,
    certifier: { ...certifier, settings: { ...certifier.settings, reanchorEpoch } },
  };
  const world = new HostileWorld({ contexts, heads, store, now: before.now });
  // Native stamps name whole seconds: one of the second in which the epoch began could be older.
  setImmediate(() => (world.now += 1000));
  return world;
}

async function copyOf(heads: Heads): Promise<Heads> {
  const copy = memoryHeads();
  for (const [sequence, record] of heads.records) await copy.append(sequence, record);
  return copy;
}

async function lost() {
  const world = new HostileWorld();
  const tenant = await world.tenant();
  const { organizationId } = tenant;
  await world.addMember(organizationId);
  for (let count = 0; count < 70; count += 1) await world.assertSigns(tenant, `before ${count}`);
  return { world, tenant };
}

/** What a client remembers of the end of the chain as an enclave states it. */
async function seenOf(world: HostileWorld, { organizationId }: Tenant, seed = root): Promise<string> {
  const asking = world.nativeCall('getOrganization', { organizationId }, seed);
  const { position, head } = world.statement(asking, await world.submit(asking));
  return `${organizationId};${position};${Buffer.from(head).toString('base64url')}`;
}

const code = async (world: HostileWorld, raw: Parameters<HostileWorld['submit']>[0]) =>
  errorOf(await world.submit(raw)).code;

describe('a heads log that was lost', () => {
  it('is anchored anew by the operators, and each organization signs once its root has confirmed its chain', async () => {
    const { world, tenant } = await lost();
    const { organizationId, wallet } = tenant;
    const own = await world.tenant(member);
    const held = world.nativeCall(
      'signUtf8Message',
      signingParams(organizationId, wallet.walletId, 'stamped before'),
    );
    const without = onHeads(world, memoryHeads(), 0);
    assert.equal(await code(without, without.signing(tenant)), 'organization-locked');

    const after = onHeads(without, memoryHeads(), 2);
    assert.equal(await code(after, after.signing(tenant)), 'organization-unconfirmed');
    assert.deepEqual(
      after.logged.filter(({ event }) => event === 'reanchored').map(({ fields }) => fields.epoch),
      [2],
    );
    const seen = await seenOf(after, tenant);
    const [, position] = seen.split(';');
    assert.equal(Number(position), 73);
    const freezing = (stamped: string, seed?: Uint8Array) =>
      after.nativeCall('freeze', { organizationId }, seed, { seen: stamped });
    // Neither a member, nor a root that does not say which end of the chain it confirms, nor another change.
    const unconfirmed = [
      freezing(seen, member),
      freezing('none'),
      freezing(await seenOf(after, own, member)),
      after.nativeCall('createWallet', { organizationId, walletName: 'W2' }, undefined, { seen }),
      after.nativeCall('freeze', { organizationId, walletId: wallet.walletId }, undefined, { seen }),
    ];
    for (const raw of unconfirmed) assert.equal(await code(after, raw), 'organization-unconfirmed');
    const newer = `${organizationId};${Number(position) + 1};${seen.split(';')[2]}`;
    assert.equal(await code(after, freezing(newer)), 'state-rolled-back');
    const other = `${organizationId};${position};${Buffer.alloc(32).toString('base64url')}`;
    assert.equal(await code(after, freezing(other)), 'state-rolled-back');

    await after.done(freezing(seen));
    assert.equal(await code(after, after.signing(tenant)), 'organization-frozen');
    await after.done(after.call('unfreeze', { organizationId }));
    // A stamp of the lost world is fresh and would verify; it is refused all the same.
    after.now -= 59_000;
    assert.equal(await code(after, held), 'stamp-expired');
    after.now += 59_000;
    await after.assertSigns(tenant, 'after');
    // It stands in the chain, and the next start begins no further epoch.
    const [row] = await after.stack.store.entries(idBytes(organizationId), 74, 1);
    assert.equal(Entry.decode(row!.bytes.slice(0, -32)).method, 'freeze');
    after.restart();
    await after.assertSigns(tenant, 'after a restart');
    assert.equal(after.logged.filter(({ event }) => event === 'reanchored').length, 1);
    // Another organization confirms for itself, and a new one has nothing to confirm.
    assert.equal(await code(after, after.signing(own, 'x', member)), 'organization-unconfirmed');
    await after.assertSigns(
      await after.tenant(new Uint8Array(32).fill(11)),
      'new',
      new Uint8Array(32).fill(11),
    );
  });
});

describe('a heads log of which an older copy was brought back', () => {
  it('takes the chain of the database from there, and no chain that ends before or elsewhere', async () => {
    const world = new HostileWorld();
    const tenant = await world.tenant();
    const { organizationId } = tenant;
    const olderCommits = world.recorded.commits.length;
    await world.assertSigns(tenant, 'in the older copy');
    const older = await copyOf(world.heads);
    for (let count = 0; count < 5; count += 1) await world.assertSigns(tenant, `lost ${count}`);

    const shorter = onHeads(world, await copyOf(older), 2, await world.recorded.copy(olderCommits));
    shorter.stack.host = {
      ...shorter.stack.host,
      fromCertifier: (message) => (message.type === 'tail' ? { ...message, rows: [] } : message),
    };
    shorter.restart();
    assert.equal(await code(shorter, shorter.signing(tenant)), 'organization-locked');

    const after = onHeads(shorter, older, 2, world.stack.store);
    assert.equal(await code(after, after.signing(tenant)), 'organization-unconfirmed');
    const seen = await seenOf(after, tenant);
    assert.equal(Number(seen.split(';')[1]), 8);
    await after.done(after.nativeCall('freeze', { organizationId }, undefined, { seen }));
    await after.done(after.call('unfreeze', { organizationId }));
    await after.assertSigns(tenant, 'after');
  });
});
