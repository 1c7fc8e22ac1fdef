/**
 * SECURITY.md, "If X falls, what else must fall", cell by cell: the keys of the fallen role are in the attacker's hand,
 * and the host is hostile besides. Row 23 of the attack cases.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import type { JsonValue } from '@keystead/crypto/strict-json';
import { headsKey, openRecord, sealRecord } from '@keystead/enclave-certifier/heads-record';
import { createContext } from '@keystead/enclave-runtime/context';
import { inMemoryDeployment } from '@keystead/enclave-runtime/in-memory-deployment';
import type { EnclaveContext } from '@keystead/enclave-runtime/program';
import { openMemoryStore } from '@keystead/host-storage/memory/store-memory';
import type { StoreBatch } from '@keystead/host-storage/store';
import { answerRolePolicy, answerRoleSigner } from '@keystead/protocol/answer';
import { resultDigestOf, signStatements, statementVersion } from '@keystead/protocol/answer-signature';
import type { Role } from '@keystead/protocol/deployment';
import { RawRequest } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';
import { AuthorityEvidence, Receipt } from '@keystead/protocol/receipt';
import { formatSeen } from '@keystead/protocol/stamp';
import { checkAnswer } from '@keystead/sdk/check-answer';
import { type Answered, memoryHeads } from '../core/in-process.ts';
import * as transport from '../methods/hpke-secrets.ts';
import {
  errorOf,
  HostileWorld,
  idBytes,
  identityOf,
  isSignature,
  keypair,
  member,
  root,
  settled,
  signingParams,
  solana,
  stranger,
  type Tenant,
} from './hostile-world.ts';
import {
  entryOfRow,
  forgeAuthority,
  forgeEntry,
  forgeReceipt,
  forgeTickets,
  offerToSigner,
  receiptItem,
  sealedRows,
  sealRow,
  signWithVaultKey,
  useWithBothKeys,
  useWithPolicyKeys,
} from './stolen-keys.ts';

async function opened(options: ConstructorParameters<typeof HostileWorld>[0] = {}) {
  const world = new HostileWorld(options);
  return { world, tenant: await world.tenant() };
}

/** Everything is killed and starts again over this store; of the certifier's tail only the end arrives. */
function restartOver(world: HostileWorld, store: HostileWorld['stack']['store']): void {
  const { host } = world.stack;
  world.stack.host = {
    ...host,
    fromCertifier: (message) =>
      message.type === 'tail' ? { ...message, rows: [] } : host.fromCertifier!(message),
  };
  world.stack.store = store;
  world.restart();
}

/** An answer that a role states, as it would go to the caller. */
function stated(
  context: EnclaveContext,
  role: number,
  raw: RawRequest,
  tenant: Tenant,
  body: unknown,
): Answered {
  const [signature] = signStatements(context.signSeed, [
    {
      version: statementVersion,
      role,
      deployment: context.deploymentId,
      identity: identityOf(raw),
      status: 200,
      resultDigest: resultDigestOf(200, body as JsonValue),
      organization: idBytes(tenant.organizationId),
      position: 2,
      head: new Uint8Array(32),
      time: context.clock(),
    },
  ]);
  return { status: 200, body, signature: signature!, identity: identityOf(raw) };
}

/** What our own client makes of an answer to a method of kind `use`. */
function clientAccepts(world: HostileWorld, tenant: Tenant, raw: RawRequest, answer: Answered): boolean {
  const { deployment, deploymentId } = world.contexts.policy;
  const body = JSON.stringify({ result: answer.body, signature: base64urlEncode(answer.signature) });
  try {
    checkAnswer({ status: answer.status, body: new Uint8Array(Buffer.from(body)) } as never, {
      keys: { founding: deployment, current: { generation: 1, keys: deployment } },
      root: deploymentId,
      identity: identityOf(raw),
      kind: 'use',
      organization: idBytes(tenant.organizationId),
      seen: undefined,
      now: world.now,
    });
    return true;
  } catch (error) {
    assert.equal((error as { code: string }).code, 'answer-unverified');
    return false;
  }
}

/** The authority root of the tenant's head with a key of the attacker in it. */
function widened(world: HostileWorld, { organizationId }: Tenant) {
  const { authority } = world.headOf(organizationId);
  const forged = forgeAuthority(world, authority, stranger);
  return { before: forged, after: forged };
}

const strangersRequest = (world: HostileWorld, tenant: Tenant, message = 'taken') =>
  world.signing(tenant, message, stranger);

/** Policy engine and certifier together: a stranger's stamp signs. */
async function assertBothKeysAreEverything(world: HostileWorld, tenant: Tenant): Promise<void> {
  const raw = strangersRequest(world, tenant);
  const used = await useWithBothKeys(world, tenant, raw, { roots: widened(world, tenant) });
  assert.ok(world.verifies(tenant, 'taken', { status: used.status!, body: used.body }), JSON.stringify(used));
}

/** The signer's keys alone: the row that everybody carries is a signature over anything. */
function assertSignerKeyIsEverything(world: HostileWorld, { wallet }: Tenant): void {
  const { sealed } = sealedRows(world)[0]!;
  const signature = signWithVaultKey(world.contexts.signer, wallet.walletId, sealed, 'taken')!;
  assert.ok(isSignature(wallet, 'taken', base64urlEncode(signature)));
}

/** Keys that an attacker can make: those of a deployment of its own. */
const ownKeys = (): Record<Role, EnclaveContext> => inMemoryDeployment();

describe('row 23: a fallen gateway', () => {
  it('can drop requests and see metadata, and nothing is lost when it carries again', async () => {
    const { world, tenant } = await opened();
    const raw = world.signing(tenant, 'seen by the gateway');
    const { host } = world.stack;
    world.stack.host = { ...host, toPolicy: () => null };
    assert.equal(await world.answerTo(raw), undefined);
    const seen = world.toSigner.at(-1);
    assert.ok(seen?.type === 'requests');
    assert.ok(Buffer.from(seen.items[0]!.request).includes('seen by the gateway'));
    world.stack.host = host;
    assert.ok(world.verifies(tenant, 'seen by the gateway', await world.submit(raw)));
  });

  it('cannot sign: entries, tickets and receipts of its own making are refused', async () => {
    const { world, tenant } = await opened();
    const raw = world.signing(tenant, 'never decided');
    const own = ownKeys();
    const forged = forgeEntry(raw, tenant, { head: world.headOf(tenant.organizationId), now: world.now });
    const real = {
      tickets: (tickets: Parameters<typeof forgeTickets>[1]) => forgeTickets(world.contexts.policy, tickets),
      receipt: forgeReceipt(world.contexts.certifier, [receiptItem(forged)]),
    };
    const made = {
      tickets: (tickets: Parameters<typeof forgeTickets>[1]) => forgeTickets(own.policy, tickets),
      receipt: forgeReceipt({ ...own.certifier, clock: () => world.now }, [receiptItem(forged)]),
    };
    const attempts = [
      [{ ...made }, 'ticket-mac'],
      [{ ...real, tickets: made.tickets }, 'ticket-mac'],
      [{ ...real, receipt: made.receipt }, 'receipt-mac'],
    ] as const;
    for (const [offer, check] of attempts)
      assert.equal((await offerToSigner(world, { raw, forged, ...offer })).check, check);
    // With the keys of policy engine and certifier the same bytes are a signature.
    const control = await offerToSigner(world, { raw, forged, ...real });
    assert.ok(world.verifies(tenant, 'never decided', { status: control.status!, body: control.body }));
  });

  it('cannot read keys: the sealed rows that it carries open for nobody but the signer', async () => {
    const { world, tenant } = await opened();
    const { walletId } = tenant.wallet;
    const { sealed } = sealedRows(world)[0]!;
    for (const context of [ownKeys().signer, world.contexts.policy, world.contexts.certifier])
      assert.equal(signWithVaultKey(context, walletId, sealed, 'taken'), undefined);
    assertSignerKeyIsEverything(world, tenant);
  });

  it('cannot change policy: a body that it edits is no longer stamped', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    await world.addMember(organizationId, 'DENY_ALL');
    const update = (preset: string, seed = root) =>
      world.call(
        'updateUserInOrganization',
        { organizationId, username: 'member', newPolicy: { type: 'CEL', preset } },
        seed,
      );
    const honest = update('LEGACY_USER_ROLE');
    const body = new Uint8Array(
      Buffer.from(Buffer.from(honest.body).toString().replace('LEGACY_USER_ROLE', 'ALLOW_ALL')),
    );
    assert.equal((await world.refused({ ...honest, body })).code, 'stamp-invalid');
    assert.equal((await world.refused(update('ALLOW_ALL', stranger))).code, 'authenticator-unknown');
    assert.equal((await world.refused(world.signing(tenant, 'x', member))).code, 'policy-denied');
    // With the key of a root authenticator the edit is a request.
    await world.done(update('ALLOW_ALL'));
    await world.assertSigns(tenant, 'allowed now', member);
  });

  it('cannot replay: a request that it repeats is answered again and counts once', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    const making = { organizationId, walletName: 'Once' };
    const raw = world.call('createWallet', making);
    const first = await world.submit(raw);
    for (let time = 0; time < 3; time++) assert.deepEqual((await world.submit(raw)).body, first.body);
    const count = async () =>
      (
        await world.done<{ totalCount: number }>(
          world.call('getOrganizationWallets', { organizationId, limit: 20, offset: 0 }),
        )
      ).totalCount;
    assert.equal(await count(), 2);
    // Who can stamp makes another one of the same bytes but the time.
    await world.done(world.call('createWallet', making));
    assert.equal(await count(), 3);
  });

  it('row 6: cannot roll back: an older database without the tail of the heads log locks the organization', async () => {
    const { world, tenant } = await opened();
    const older = world.recorded.commits.length;
    const head = world.headOf(tenant.organizationId);
    await world.assertSigns(tenant, 'newer');
    restartOver(world, await world.recorded.copy(older));
    assert.equal((await world.refused(world.signing(tenant))).code, 'organization-locked');
    // With the certifier's key it can.
    world.lieAboutHead(world.contexts.certifier, head);
    world.restart(['policy']);
    const read = await world.submit(world.call('getOrganization', { organizationId: tenant.organizationId }));
    assert.equal(read.status, 200);
  });

  it('cannot redirect a deposit: an address that it exchanges does not verify', async () => {
    const { world, tenant } = await opened();
    const { organizationId, wallet } = tenant;
    const other = await world.tenant(member);
    const raw = world.call('getAccounts', { organizationId, walletId: wallet.walletId, accounts: [solana] });
    const answer = await world.submit(raw);
    assert.ok(clientAccepts(world, tenant, raw, answer));
    const text = JSON.stringify(answer.body).replaceAll(
      wallet.accounts[0]!.address,
      other.wallet.accounts[0]!.address,
    );
    const redirected = JSON.parse(text) as unknown;
    assert.notDeepEqual(redirected, answer.body);
    assert.ok(!clientAccepts(world, tenant, raw, { ...answer, body: redirected }));
    // The key with which the signer states answers makes it verify.
    const byKey = stated(world.contexts.signer, answerRoleSigner, raw, tenant, redirected);
    assert.ok(clientAccepts(world, tenant, raw, byKey));
  });

  it('cannot redirect an import: a key that it exchanges does not verify', async () => {
    const { world, tenant } = await opened();
    const raw = world.nativeCall('initWalletImport', { organizationId: tenant.organizationId });
    const answer = await world.submit(raw);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.ok(clientAccepts(world, tenant, raw, answer));
    const { publicKey } = await transport.recipientKeys();
    const redirected = { ...(answer.body as object), publicKey: base64urlEncode(publicKey) };
    assert.ok(!clientAccepts(world, tenant, raw, { ...answer, body: redirected }));
    const byKey = stated(world.contexts.signer, answerRoleSigner, raw, tenant, redirected);
    assert.ok(clientAccepts(world, tenant, raw, byKey));
  });

  it('has everything together with the signer', async () => {
    const { world, tenant } = await opened();
    assertSignerKeyIsEverything(world, tenant);
  });

  it('has everything together with policy engine and certifier', async () => {
    const { world, tenant } = await opened();
    await assertBothKeysAreEverything(world, tenant);
  });
});

describe('row 23: a fallen storage', () => {
  const isOf = (id: string) => (row: { organization: Uint8Array }) => formatUuid(row.organization) === id;

  it('can delete rows, which is detected and rolled forward', async () => {
    const { world, tenant } = await opened();
    await world.assertSigns(tenant, 'deleted soon');
    world.stack.store = await world.recorded.copy(1);
    world.restart();
    await world.assertSigns(tenant, 'rolled forward');
    // Without the rows of the heads log the same deletion is a lock.
    restartOver(world, await world.recorded.copy(1));
    assert.equal((await world.refused(world.signing(tenant))).code, 'organization-locked');
  });

  it('cannot read a secret: no row that was ever committed opens without the signer’s key', async () => {
    const { world, tenant } = await opened();
    const rows = world.recorded.commits.flatMap(({ secrets }) => secrets);
    assert.equal(rows.length, 1);
    const { walletId } = tenant.wallet;
    assert.equal(signWithVaultKey(ownKeys().signer, walletId, rows[0]!.bytes, 'taken'), undefined);
    assert.ok(signWithVaultKey(world.contexts.signer, walletId, rows[0]!.bytes, 'taken'));
  });

  it('cannot forge a row: one bit of an entry locks its organization and no other', async () => {
    const { world, tenant } = await opened();
    const other = await world.tenant(member);
    const edited = await world.recorded.copy(undefined, (batch) => ({
      ...batch,
      entries: batch.entries.map((row) => {
        if (!isOf(tenant.organizationId)(row) || row.position !== 2) return row;
        const bytes = row.bytes.slice();
        bytes[bytes.length >> 1]! ^= 1;
        return { ...row, bytes };
      }),
    }));
    restartOver(world, edited);
    const refused = await world.refused(world.signing(tenant));
    assert.deepEqual(
      [refused.code, refused.detail],
      ['organization-locked', 'an entry row carries a wrong MAC'],
    );
    await world.assertSigns(other, 'others go on', member);
    // The row as it was unlocks it: nothing but the row was wrong.
    restartOver(world, await world.recorded.copy());
    await world.assertSigns(tenant);
  });

  it('cannot forge a row with the policy engine’s row key either; the certifier’s key is needed as well', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    await world.addMember(organizationId, 'DENY_ALL');
    const head = world.headOf(organizationId);
    const row = (await world.stack.store.entry(idBytes(organizationId), head.position))!;
    const entry = entryOfRow(row);
    const cells = entry.cells.map(({ key, value }) => ({
      key,
      value:
        value && new Uint8Array(Buffer.from(Buffer.from(value).toString().replace('DENY_ALL', 'ALLOW_ALL'))),
    }));
    assert.notDeepEqual(cells, entry.cells);
    const bytes = sealRow(world.contexts.policy, organizationId, { ...entry, cells });
    const edited = await world.recorded.copy(undefined, (batch) => ({
      ...batch,
      entries: batch.entries.map((kept) =>
        isOf(organizationId)(kept) && kept.position === head.position ? { ...kept, bytes } : kept,
      ),
    }));
    restartOver(world, edited);
    const refused = await world.refused(world.signing(tenant, 'x', member));
    assert.equal(refused.code, 'organization-locked');
    assert.match(refused.detail!, /chain is broken/);
    const { hash } = forgeEntry(world.signing(tenant), tenant, {
      head,
      now: world.now,
      changes: { ...entry, cells },
    });
    world.lieAboutHead(world.contexts.certifier, { ...head, hash });
    world.restart(['policy']);
    const read = await world.submit(world.call('getOrganization', { organizationId }, member));
    assert.equal(read.status, 200, JSON.stringify(read.body));
  });

  it('cannot hide a row: a chain that ends early, or has a hole, locks', async () => {
    const { world, tenant } = await opened();
    const head = world.headOf(tenant.organizationId);
    await world.assertSigns(tenant, 'third');
    await world.assertSigns(tenant, 'fourth');
    for (const hidden of [2, 3, 4]) {
      const without = await world.recorded.copy(undefined, (batch) => ({
        ...batch,
        entries: batch.entries.filter(({ position }) => position !== hidden),
      }));
      restartOver(world, without);
      assert.equal((await world.refused(world.signing(tenant))).code, 'organization-locked', `${hidden}`);
    }
    world.lieAboutHead(world.contexts.certifier, head);
    const older = await world.recorded.copy(undefined, (batch) => ({
      ...batch,
      entries: batch.entries.filter(({ position }) => position <= head.position),
    }));
    world.stack.store = older;
    world.restart(['policy']);
    const { organizationId } = tenant;
    const hidden = await world.submit(world.call('getOrganization', { organizationId }));
    assert.equal(hidden.status, 200, 'with the certifier’s key the last rows are hidden');
  });

  it('cannot move a row: an entry of another organization, or of another position, locks', async () => {
    const { world, tenant } = await opened();
    const other = await world.tenant(member);
    await world.assertSigns(tenant, 'third');
    const rowOf = async (id: string, position: number) =>
      (await world.recorded.store.entry(idBytes(id), position))!;
    const moved = [
      [await rowOf(other.organizationId, 2), 'an entry row carries a wrong MAC'],
      [await rowOf(tenant.organizationId, 3), 'the chain is broken at position 1'],
    ] as const;
    for (const [bytes, detail] of moved) {
      const store = await world.recorded.copy(undefined, (batch) => ({
        ...batch,
        entries: batch.entries.map((row) =>
          isOf(tenant.organizationId)(row) && row.position === 2 ? { ...row, bytes } : row,
        ),
      }));
      restartOver(world, store);
      const refused = await world.refused(world.signing(tenant));
      assert.deepEqual([refused.code, refused.detail], ['organization-locked', detail]);
    }
    // Under the row key of this organization the other’s entry carries a good MAC: it still is another entry.
    const resealed = sealRow(world.contexts.policy, tenant.organizationId, entryOfRow(moved[0][0]));
    const store = await world.recorded.copy(undefined, (batch) => ({
      ...batch,
      entries: batch.entries.map((row) =>
        isOf(tenant.organizationId)(row) && row.position === 2 ? { ...row, bytes: resealed } : row,
      ),
    }));
    restartOver(world, store);
    assert.match((await world.refused(world.signing(tenant))).detail!, /another entry|chain is broken/);
    restartOver(world, await world.recorded.copy());
    await world.assertSigns(tenant);
  });

  it('cannot resurrect a row: a deleted user stays deleted, whatever rows come back', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    await world.addMember(organizationId);
    await world.assertSigns(tenant, 'while it was there', member);
    const before = world.recorded.commits.length;
    const head = world.headOf(organizationId);
    await world.done(world.call('deleteUserFromOrganization', { organizationId, username: 'member' }));
    const gone = async () => (await world.refused(world.signing(tenant, 'again', member))).code;
    assert.equal(await gone(), 'authenticator-unknown');
    // Old rows over the new ones, nodes and all.
    const mixed: StoreBatch[] = structuredClone([
      ...world.recorded.commits,
      ...world.recorded.commits.slice(0, before),
    ]);
    const resurrected = openMemoryStore();
    await resurrected.commit(mixed);
    restartOver(world, resurrected);
    assert.equal(await gone(), 'authenticator-unknown');
    restartOver(world, await world.recorded.copy(before));
    assert.equal(await gone(), 'organization-locked');
    // An older head, under the certifier’s key, brings the user back.
    world.lieAboutHead(world.contexts.certifier, head);
    world.restart(['policy']);
    const read = await world.submit(world.call('getOrganization', { organizationId }, member));
    assert.equal(read.status, 200);
  });

  it('has everything together with the signer, or with policy engine and certifier', async () => {
    const { world, tenant } = await opened();
    assertSignerKeyIsEverything(world, tenant);
    await assertBothKeysAreEverything(world, tenant);
  });
});

describe('row 23: a fallen heads keeper', () => {
  it('can stop the service: what is not durable is not told', async () => {
    const heads = memoryHeads();
    const { world, tenant } = await opened({ heads });
    const append = heads.append;
    const held: (() => void)[] = [];
    heads.append = (sequence, record) =>
      new Promise((resolve) => held.push(() => resolve(append(sequence, record))));
    const raw = world.signing(tenant, 'held');
    let answered: Answered | undefined;
    const answer = world.submit(raw).then((came) => {
      answered = came;
      return came;
    });
    await settled();
    assert.equal(answered, undefined);
    assert.equal(world.signerAnswers(raw).length, 0);
    for (const release of held) release();
    assert.ok(world.verifies(tenant, 'held', await answer));
  });

  it('row 7: can offer an old world together with the database, which a client with a newer memory refuses', async () => {
    const heads = memoryHeads();
    const { world, tenant } = await opened({ heads });
    const { organizationId, wallet } = tenant;
    const records = heads.records.size;
    const commits = world.recorded.commits.length;
    await world.assertSigns(tenant, 'newer');
    const { position, hash } = world.headOf(organizationId);
    for (const sequence of [...heads.records.keys()]) if (sequence > records) heads.records.delete(sequence);
    world.stack.store = await world.recorded.copy(commits);
    world.restart();
    world.now += 60_000;
    const params = signingParams(organizationId, wallet.walletId, 'old world');
    const seen = formatSeen({ organizationId, position, hash });
    assert.equal(
      (await world.refused(world.nativeCall('signUtf8Message', params, root, { seen }))).code,
      'state-rolled-back',
    );
    // Who remembers nothing is served from the old world: that is the residue.
    assert.equal((await world.submit(world.nativeCall('signUtf8Message', params))).status, 200);
  });

  it('can do the same without the database: rows beyond the head that it offers are taken for no history', async () => {
    const heads = memoryHeads();
    const { world, tenant } = await opened({ heads });
    const { organizationId, wallet } = tenant;
    const records = heads.records.size;
    await world.assertSigns(tenant, 'newer');
    const { position, hash } = world.headOf(organizationId);
    for (const sequence of [...heads.records.keys()]) if (sequence > records) heads.records.delete(sequence);
    world.restart(['certifier']);
    world.stack.resync();
    const params = signingParams(organizationId, wallet.walletId, 'old world');
    const seen = formatSeen({ organizationId, position, hash });
    // While the signer remembers the newer head, it refuses too.
    assert.equal((await world.refused(world.nativeCall('signUtf8Message', params))).check, 'head');
    world.now += 60_000;
    assert.equal(
      (await world.refused(world.nativeCall('signUtf8Message', params, root, { seen }))).code,
      'state-rolled-back',
    );
    assert.equal((await world.submit(world.nativeCall('signUtf8Message', params))).status, 200);
  });

  it('cannot forge: a record that it writes, edits, moves or takes out of the middle ends the certifier', async () => {
    const heads = memoryHeads();
    const { world, tenant } = await opened({ heads });
    await world.assertSigns(tenant, 'third');
    const kept = new Map(heads.records);
    const last = Math.max(...kept.keys());
    const { body } = openRecord(headsKey(world.contexts.certifier.seed), kept.get(last)!);
    const [advance] = body.advances;
    const forgedBody = {
      ...body,
      advances: [{ ...advance!, to: { ...advance!.to, floor: advance!.to.position } }],
    };
    const flipped = kept.get(last)!.slice();
    flipped[flipped.length - 1]! ^= 1;
    const attempts: [string, (records: Map<number, Uint8Array>) => void][] = [
      ['edits', (records) => records.set(last, flipped)],
      [
        'writes',
        (records) => records.set(last, sealRecord(headsKey(ownKeys().certifier.seed), forgedBody).bytes),
      ],
      ['moves', (records) => records.set(last, kept.get(last - 1)!)],
      ['takes out', (records) => records.delete(last - 1)],
    ];
    const started = () => world.logged.filter(({ event }) => event === 'heads-loaded').length;
    for (const [what, attack] of attempts) {
      heads.records.clear();
      for (const [sequence, record] of kept) heads.records.set(sequence, record);
      attack(heads.records);
      const before = started();
      world.restart(['certifier']);
      await settled();
      assert.equal(started(), before, what);
      assert.equal(world.ended.pop(), 'certifier', what);
    }
    // Under the certifier’s key the forged record stands.
    heads.records.clear();
    for (const [sequence, record] of kept) heads.records.set(sequence, record);
    heads.records.set(last, sealRecord(headsKey(world.contexts.certifier.seed), forgedBody).bytes);
    const before = started();
    world.restart(['certifier']);
    await settled();
    assert.equal(started(), before + 1);
  });

  it('has everything together with the signer, or with policy engine and certifier', async () => {
    const { world, tenant } = await opened();
    assertSignerKeyIsEverything(world, tenant);
    await assertBothKeysAreEverything(world, tenant);
  });
});

describe('row 23: a fallen policy engine', () => {
  it('can let a request that a real authenticator stamped pass its rules', async () => {
    const { world, tenant } = await opened();
    await world.addMember(tenant.organizationId, 'DENY_ALL');
    const honest = world.signing(tenant, 'denied', member);
    assert.equal((await world.refused(honest)).code, 'policy-denied');
    const raw = world.signing(tenant, 'against the rules', member);
    const used = await useWithPolicyKeys(world, tenant, raw);
    assert.equal(used.refused, undefined);
    assert.ok(world.verifies(tenant, 'against the rules', { status: used.status!, body: used.body }));
  });

  it('cannot pass the ceiling that the authority set seals for the key', async () => {
    const { world, tenant } = await opened();
    const { authority } = world.headOf(tenant.organizationId);
    const under = (ceiling: { actions?: string[]; wallets?: Uint8Array[]; approvals?: number }) => {
      const sealed = forgeAuthority(world, authority, member, {
        ceiling: { actions: undefined, wallets: undefined, approvals: 0, ...ceiling },
      });
      const roots = { before: sealed, after: sealed };
      // The signer forgets the head of the attempt before.
      world.now += 31_000;
      return useWithBothKeys(world, tenant, world.signing(tenant, 'ceiling', member), { roots });
    };
    const walletId = idBytes(tenant.wallet.walletId);
    assert.equal((await under({ actions: ['getAccounts'] })).check, 'ceiling');
    assert.equal((await under({ wallets: [new Uint8Array(16)] })).check, 'ceiling');
    assert.equal((await under({ approvals: 1 })).check, 'ceiling');
    assert.equal((await under({ actions: ['signUtf8Message'], wallets: [walletId] })).status, 200);
  });

  it('cannot sign anything that nobody stamped', async () => {
    const { world, tenant } = await opened();
    const other = await world.tenant(member);
    const refusals: [string, string, () => ReturnType<typeof useWithPolicyKeys>][] = [
      [
        'a request that the signer never got',
        'request',
        () => useWithPolicyKeys(world, tenant, world.signing(tenant, 'unseen'), { shown: null }),
      ],
      [
        'a stranger’s stamp',
        'authenticator',
        () => useWithPolicyKeys(world, tenant, strangersRequest(world, tenant)),
      ],
      [
        'a stamp of another body',
        'stamp',
        () => {
          const { phantomStamp } = world.signing(tenant, 'stamped');
          return useWithPolicyKeys(world, tenant, { ...world.signing(tenant, 'edited'), phantomStamp });
        },
      ],
      [
        'a stamp for another organization',
        'parse',
        () => useWithPolicyKeys(world, tenant, world.signing({ ...other, wallet: tenant.wallet }, 'x')),
      ],
      [
        'a stamp for another wallet',
        'key-use',
        () => {
          const asked = world.signing({ ...tenant, wallet: other.wallet }, 'x');
          return useWithPolicyKeys(world, tenant, asked);
        },
      ],
      [
        'a stamp that is too old',
        'fresh',
        () => {
          const raw = world.signing(tenant, 'kept for later');
          world.now += 10 * 60_000;
          return useWithPolicyKeys(world, tenant, raw);
        },
      ],
    ];
    for (const [what, check, attack] of refusals) {
      const { status, ...used } = await attack();
      assert.equal(used.check, check, `${what}: ${status} ${JSON.stringify(used)}`);
    }
    // The same keys with a stamp that covers the bytes are a signature.
    const raw = world.signing(tenant, 'stamped');
    assert.equal((await useWithPolicyKeys(world, tenant, raw)).status, 200);
  });

  it('cannot add an authenticator: the certifier judges the change by the stamped bytes', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    const { authority } = world.headOf(organizationId);
    const after = forgeAuthority(world, authority, stranger);
    const change = { roots: { before: authority, after } };
    const raw = world.call(
      'createAuthenticator',
      { organizationId, username: 'root', authenticator: keypair('x', stranger) },
      stranger,
    );
    assert.equal((await useWithPolicyKeys(world, tenant, raw, change)).refused, 'evidence-missing');
    const head = world.headOf(organizationId);
    const { encoded } = forgeEntry(raw, tenant, { head, now: world.now, ...change });
    const evidence = AuthorityEvidence.encode({
      entry: encoded,
      request: RawRequest.encode(raw),
      witness: [...world.nodes.values()],
    });
    const refused = await useWithPolicyKeys(world, tenant, raw, { ...change, evidence });
    assert.equal(refused.refused, 'authenticator-unknown');
    assert.equal(refused.check, 'receipt-item');
    // A root authenticator’s stamp is what it lacks.
    await world.done(
      world.call('createAuthenticator', {
        organizationId,
        username: 'root',
        authenticator: keypair('x', stranger),
      }),
    );
    await world.assertSigns(tenant, 'registered', stranger);
  });

  it('cannot redirect a deposit: a client takes addresses from the signer only', async () => {
    const { world, tenant } = await opened();
    const { organizationId, wallet } = tenant;
    const raw = world.call('getAccounts', { organizationId, walletId: wallet.walletId, accounts: [solana] });
    const body = [{ ...solana, address: 'elsewhere', publicKey: 'elsewhere' }];
    const byPolicy = stated(world.contexts.policy, answerRolePolicy, raw, tenant, body);
    assert.ok(!clientAccepts(world, tenant, raw, byPolicy));
    const bySigner = stated(world.contexts.signer, answerRoleSigner, raw, tenant, body);
    assert.ok(clientAccepts(world, tenant, raw, bySigner));
  });

  it('has everything together with the certifier', async () => {
    const { world, tenant } = await opened();
    await assertBothKeysAreEverything(world, tenant);
  });

  it('has everything together with the signer', async () => {
    const { world, tenant } = await opened();
    assertSignerKeyIsEverything(world, tenant);
  });
});

describe('row 23: a fallen certifier', () => {
  it('can stop: without its receipts nothing is signed', async () => {
    const { world, tenant } = await opened();
    const { host } = world.stack;
    world.stack.host = { ...host, fromCertifier: () => null };
    const raw = world.signing(tenant, 'withheld');
    assert.equal(await world.answerTo(raw), undefined);
    assert.equal(world.signerAnswers(raw).length, 0);
    world.stack.host = host;
    await world.assertSigns(tenant, 'told');
  });

  it('can roll back together with the database, which a client with a newer memory refuses', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    const older = world.headOf(organizationId);
    const commits = world.recorded.commits.length;
    await world.assertSigns(tenant, 'newer');
    const { position, hash } = world.headOf(organizationId);
    restartOver(world, await world.recorded.copy(commits));
    world.lieAboutHead(world.contexts.certifier, older);
    world.restart(['policy']);
    const seen = formatSeen({ organizationId, position, hash });
    const reading = world.nativeCall('getOrganization', { organizationId }, root, { seen });
    assert.equal((await world.refused(reading)).code, 'state-rolled-back');
    assert.equal((await world.submit(world.nativeCall('getOrganization', { organizationId }))).status, 200);
  });

  it('can do the same without the database, by a head that is older than the rows', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    const older = world.headOf(organizationId);
    await world.assertSigns(tenant, 'newer');
    const { position, hash } = world.headOf(organizationId);
    world.lieAboutHead(world.contexts.certifier, older);
    world.restart(['policy']);
    const seen = formatSeen({ organizationId, position, hash });
    const reading = world.nativeCall('getOrganization', { organizationId }, root, { seen });
    assert.equal((await world.refused(reading)).code, 'state-rolled-back');
    assert.equal((await world.submit(world.nativeCall('getOrganization', { organizationId }))).status, 200);
  });

  it('cannot decide: a receipt for an entry that the policy engine did not make is refused', async () => {
    const { world, tenant } = await opened();
    const raw = world.signing(tenant, 'never decided');
    const forged = forgeEntry(raw, tenant, { head: world.headOf(tenant.organizationId), now: world.now });
    const receipt = forgeReceipt(world.contexts.certifier, [receiptItem(forged)]);
    const own = ownKeys();
    const attempt = (policy: EnclaveContext) =>
      offerToSigner(world, { raw, forged, tickets: (tickets) => forgeTickets(policy, tickets), receipt });
    assert.equal((await attempt(own.policy)).check, 'ticket-mac');
    assert.equal((await attempt(world.contexts.policy)).status, 200);
  });

  it('cannot sign: a denial does not become a permission by its receipt', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    await world.addMember(organizationId, 'DENY_ALL');
    const raw = world.signing(tenant, 'denied', member);
    assert.equal((await world.refused(raw)).code, 'policy-denied');
    const { position } = world.headOf(organizationId);
    const row = (await world.stack.store.entry(idBytes(organizationId), position))!;
    const entry = entryOfRow(row);
    const denial = forgeEntry(raw, tenant, {
      head: world.headOf(organizationId),
      now: world.now,
      changes: entry,
    });
    const attempt = (forged: typeof denial, policy: EnclaveContext) =>
      offerToSigner(world, {
        raw,
        forged,
        tickets: (tickets) => forgeTickets(policy, tickets),
        receipt: forgeReceipt(world.contexts.certifier, [receiptItem(forged)]),
      });
    // Not even the policy engine’s own ticket for the denial is a permission; its forged allowance is.
    assert.equal((await attempt(denial, ownKeys().policy)).check, 'ticket-mac');
    assert.equal((await attempt(denial, world.contexts.policy)).check, 'decision');
    const allowed = forgeEntry(raw, tenant, { head: world.headOf(organizationId), now: world.now });
    assert.equal((await attempt(allowed, world.contexts.policy)).status, 200);
  });

  it('cannot add authenticators: neither as a head for the policy engine nor as a receipt for the signer', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    const head = world.headOf(organizationId);
    const { after } = widened(world, tenant);
    // A receipt with another authority root, for an entry that the policy engine decided.
    const raw = world.signing(tenant, 'decided');
    const { host } = world.stack;
    world.stack.host = {
      ...host,
      toSigner: (message) => {
        if (message.type !== 'tickets') return host.toSigner!(message);
        const receipt = Receipt.decode(message.receipt.bytes);
        const items = receipt.items.map((item) => ({
          ...item,
          authorityBefore: after,
          authorityAfter: after,
        }));
        return { ...message, receipt: forgeReceipt(world.contexts.certifier, items) };
      },
    };
    assert.equal((await world.refused(raw)).check, 'receipt-item');
    world.stack.host = host;
    world.lieAboutHead(world.contexts.certifier, { ...world.headOf(organizationId), authority: after });
    world.restart(['policy']);
    const refused = await world.refused(strangersRequest(world, tenant));
    assert.deepEqual(
      [refused.code, refused.detail],
      ['organization-locked', 'the authority root is not the certified one'],
    );
    world.lieAboutHead(world.contexts.certifier, { ...head, position: head.position + 9, authority: after });
    world.restart(['policy']);
    assert.equal((await world.refused(strangersRequest(world, tenant))).code, 'organization-locked');
    // With the policy engine’s key as well, it is an authenticator.
    await assertBothKeysAreEverything(world, tenant);
  });

  it('has everything together with the policy engine', async () => {
    const { world, tenant } = await opened();
    await assertBothKeysAreEverything(world, tenant);
  });

  it('has everything together with the signer', async () => {
    const { world, tenant } = await opened();
    assertSignerKeyIsEverything(world, tenant);
  });
});

describe('row 23: a fallen policy engine and certifier', () => {
  it('use any wallet key', async () => {
    const { world, tenant } = await opened();
    const alone = await useWithPolicyKeys(world, tenant, strangersRequest(world, tenant));
    assert.equal(alone.check, 'authenticator');
    await assertBothKeysAreEverything(world, tenant);
  });

  it('read any wallet key, by an export that no authenticator of the organization stamped', async () => {
    const { world, tenant } = await opened();
    const { organizationId, wallet } = tenant;
    const { publicKey, privateKey } = await transport.recipientKeys();
    const params = { organizationId, walletId: wallet.walletId, publicKey: base64urlEncode(publicKey) };
    const raw = world.nativeCall('exportWallet', params, stranger);
    assert.equal((await useWithPolicyKeys(world, tenant, raw)).check, 'authenticator');
    const used = await useWithBothKeys(world, tenant, raw, { roots: widened(world, tenant) });
    assert.equal(used.status, 200, JSON.stringify(used));
    const { encryptedBundle } = used.body as { encryptedBundle: string };
    const secret = await transport.open(
      privateKey,
      base64urlEncode(world.contexts.signer.deploymentId),
      organizationId,
      wallet.walletId,
      Buffer.from(encryptedBundle, 'base64url'),
    );
    assert.ok(secret.length > 0);
  });
});

describe('row 23: a fallen signer', () => {
  it('is everything: it opens every sealed row and states every answer', async () => {
    const { world, tenant } = await opened();
    assertSignerKeyIsEverything(world, tenant);
    const raw = world.signing(tenant, 'never signed');
    const body = { signature: 'made up' };
    assert.ok(
      clientAccepts(world, tenant, raw, stated(world.contexts.signer, answerRoleSigner, raw, tenant, body)),
    );
    const own = ownKeys().signer;
    assert.ok(!clientAccepts(world, tenant, raw, stated(own, answerRoleSigner, raw, tenant, body)));
  });
});

describe('row 23: a fallen launcher, or root of the host', () => {
  it('is everything: the root seeds and wallet keys that it reads make the contexts of all roles', async () => {
    const { world, tenant } = await opened();
    const { deployment, settings } = world.contexts.policy;
    for (const role of ['policy', 'certifier', 'signer'] as const) {
      const { seed, walletKeys } = world.contexts[role];
      const clock = () => world.now;
      world.contexts[role] = createContext({
        role,
        profile: 'production',
        seed,
        walletKeys,
        deployment,
        settings,
        clock,
      });
    }
    await assertBothKeysAreEverything(world, tenant);
    assertSignerKeyIsEverything(world, tenant);
    const own = ownKeys().signer;
    const { sealed } = sealedRows(world)[0]!;
    assert.equal(signWithVaultKey(own, tenant.wallet.walletId, sealed, 'taken'), undefined);
  });
});

describe('row 23: a stolen authenticator key', () => {
  it('can do what its user may, until it is revoked', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    await world.addMember(organizationId);
    await world.assertSigns(tenant, 'stolen', member);
    const added = await world.done<{ id: string }>(
      world.call('createAuthenticator', {
        organizationId,
        username: 'member',
        authenticator: keypair('m2', stranger),
      }),
    );
    await world.assertSigns(tenant, 'second key', stranger);
    const authenticatorId = added.id;
    await world.done(
      world.call('deleteAuthenticator', { organizationId, username: 'member', authenticatorId }),
    );
    assert.equal((await world.refused(world.signing(tenant, 'x', stranger))).code, 'authenticator-unknown');
    await world.assertSigns(tenant, 'the other key goes on', member);
  });

  it('can do what its user may, until it expires', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    await world.addMember(organizationId);
    const authenticator = { ...keypair('m2', stranger), expiresInMs: 3_600_000 };
    await world.done(
      world.call('createAuthenticator', { organizationId, username: 'member', authenticator }),
    );
    world.now += 3_500_000;
    await world.assertSigns(tenant, 'before', stranger);
    world.now += 100_001;
    const refused = await world.refused(world.signing(tenant, 'after', stranger));
    assert.equal(refused.code, 'authenticator-expired');
    await world.assertSigns(tenant, 'the key without expiry goes on', member);
  });

  it('cannot act as another user, nor widen itself: that takes a root authenticator', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    await world.addMember(organizationId);
    const asRoot = (seed: Uint8Array) =>
      world.call(
        'createAuthenticator',
        { organizationId, username: 'root', authenticator: keypair('x', stranger) },
        seed,
      );
    const toRoot = (seed: Uint8Array) =>
      world.call(
        'updateUserInOrganization',
        { organizationId, username: 'member', newPolicy: { type: 'ROOT' } },
        seed,
      );
    for (const attempt of [asRoot, toRoot]) {
      const refused = errorOf(await world.submit(attempt(member)));
      assert.ok(['policy-denied', 'root-required'].includes(refused.code!), String(refused.code));
    }
    await world.done(asRoot(root));
    await world.done(toRoot(root));
  });
});
