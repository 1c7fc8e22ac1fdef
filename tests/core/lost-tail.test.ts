import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import { openMemoryStore } from '@keystead/host-storage/memory/store-memory';
import type { Store, StoreBatch } from '@keystead/host-storage/store';
import { checkpointInterval } from '@keystead/protocol/entry';
import { type FromCertifier, KeptRow, type RawRequest } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';
import bs58 from 'bs58';
import nacl from 'tweetnacl';
import { type Answered, InProcess, memoryHeads } from './in-process.ts';
import { stamped } from './stamped.ts';

const root = new Uint8Array(32).fill(7);
const second = new Uint8Array(32).fill(8);

/** Bytes that the heads log may take for one signature, checkpoints included; the request asks for 5 bytes. */
const mostHeadsBytesPerSignature = 2048;

/** A memory store that can be brought back to how it was after any of its commits. */
function recordingStore(): Store & {
  readonly commits: StoreBatch[];
  copyAfter(count: number): Promise<Store>;
} {
  const store = openMemoryStore();
  const commits: StoreBatch[] = [];
  return {
    commits,
    async copyAfter(count) {
      const copy = openMemoryStore();
      await copy.commit(commits.slice(0, count));
      return copy;
    },
    async commit(batches) {
      await store.commit(batches);
      commits.push(...structuredClone(batches));
    },
    entries: (...given) => store.entries(...given),
    entry: (...given) => store.entry(...given),
    newestCheckpoint: (...given) => store.newestCheckpoint(...given),
    node: (hash) => store.node(hash),
    secret: (hash) => store.secret(hash),
    secrets: (after, limit) => store.secrets(after, limit),
    ownerOf: (walletId) => store.ownerOf(walletId),
    organizations: (...given) => store.organizations(...given),
    usage: () => store.usage(),
    close: () => store.close(),
  };
}

const keypair = (authenticatorName: string, seed: Uint8Array) => ({
  authenticatorName,
  authenticatorKind: 'keypair',
  publicKey: base64urlEncode(ed25519.publicKey(seed)),
  algorithm: 'Ed25519',
});

interface Wallet {
  readonly walletId: string;
  readonly accounts: readonly { readonly address: string }[];
}

async function done<T>(answer: Promise<Answered>): Promise<T> {
  const { status, body } = await answer;
  assert.equal(status, 200, JSON.stringify(body));
  return body as T;
}

const makeWallet = (organizationId: string, walletName: string) =>
  stamped('createWallet', { organizationId, walletName }, root);

let signatures = 0;

/** A request for a signature that was not asked for before. */
function signing(organizationId: string, { walletId }: Wallet, seed = root): RawRequest {
  const derivationInfo = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };
  const message = String(signatures++).padStart(5, '0');
  return stamped(
    'signUtf8Message',
    { organizationId, walletId, message, algorithm: 'Ed25519', derivationInfo },
    seed,
  );
}

async function assertSigns(
  stack: InProcess,
  organizationId: string,
  wallet: Wallet,
  seed = root,
): Promise<void> {
  const request = signing(organizationId, wallet, seed);
  const { signature, address } = await done<{ signature: string; address: string }>(stack.submit(request));
  assert.equal(address, wallet.accounts[0]!.address);
  const { message } = JSON.parse(Buffer.from(request.body).toString()).params as { message: string };
  const isValid = nacl.sign.detached.verify(
    Buffer.from(message),
    base64urlDecode(signature),
    bs58.decode(address),
  );
  assert.ok(isValid);
}

/** An organization whose newest commits, from `before` on, a restored copy of the store lacks. */
async function world() {
  const store = recordingStore();
  const heads = memoryHeads();
  const stack = new InProcess({ store, heads, log: () => {} });
  const { organizationId } = await done<{ organizationId: string }>(
    stack.submit(
      stamped(
        'createOrganization',
        {
          organizationName: 'Acme',
          users: [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair('a1', root)] }],
          tags: [],
        },
        root,
      ),
    ),
  );
  const older = await done<Wallet>(stack.submit(makeWallet(organizationId, 'older')));
  const before = store.commits.length;
  const making = makeWallet(organizationId, 'newer');
  const newer = await done<Wallet>(stack.submit(making));
  const params = { organizationId, username: 'root', authenticator: keypair('a2', second) };
  await done(stack.submit(stamped('createAuthenticator', params, root)));
  return { stack, store, heads, organizationId, older, newer, making, before };
}

type World = Awaited<ReturnType<typeof world>>;

/** Everything is killed; the store is back at a copy, and of the tail comes what `rows` lets through. */
async function restore({ stack, store, before }: World, lets: (row: KeptRow) => boolean): Promise<void> {
  const only = (message: FromCertifier): FromCertifier =>
    message.type === 'tail'
      ? { ...message, rows: message.rows.filter((row) => lets(KeptRow.decode(row))) }
      : message;
  stack.host = { fromCertifier: only };
  stack.store = await store.copyAfter(before);
  stack.restart();
}

async function signAlong({ stack, organizationId, older }: World, times: number): Promise<void> {
  for (let count = 0; count < times; count++) await done(stack.submit(signing(organizationId, older)));
}

describe('a store that was brought back to an older copy', () => {
  it('gets back every row that the heads log kept, and everything signs', async () => {
    const lost = await world();
    const { stack, store, organizationId, older, newer, making } = lost;
    await signAlong(lost, checkpointInterval + 6);
    const repeated = await stack.submit(making);
    await restore(lost, () => true);
    await assertSigns(stack, organizationId, newer);
    await assertSigns(stack, organizationId, older);
    await assertSigns(stack, organizationId, newer, second);
    assert.deepEqual((await stack.submit(making)).body, repeated.body);

    const { store: restored } = stack;
    const gone = store.commits.slice(lost.before);
    assert.ok(gone.some(({ entries }) => entries.some(({ checkpoint }) => checkpoint)));
    for (const { entries, nodes, secrets, owners } of gone) {
      for (const { organization, position, bytes } of entries)
        assert.deepEqual(await restored.entry(organization, position), bytes);
      for (const { hash, bytes } of nodes) assert.deepEqual(await restored.node(hash), bytes);
      for (const { hash, bytes } of secrets) assert.deepEqual(await restored.secret(hash), bytes);
      for (const { walletId, organization } of owners)
        assert.deepEqual(await restored.ownerOf(walletId), organization);
    }
    assert.ok(gone.some(({ owners }) => owners.some(({ walletId }) => walletId === newer.walletId)));
    assert.equal(formatUuid(gone[0]!.entries[0]!.organization), organizationId);
  });

  it('goes through a second checkpoint after it was rolled forward', async () => {
    const lost = await world();
    await signAlong(lost, checkpointInterval);
    await restore(lost, () => true);
    await signAlong(lost, checkpointInterval);
    lost.stack.restart();
    await assertSigns(lost.stack, lost.organizationId, lost.newer, second);
  });

  const refusals: [string, number, (row: KeptRow) => boolean, string, RegExp][] = [
    ['no tail', 6, () => false, 'organization-locked', /entries are missing from the store/],
    [
      'no tail that holds a checkpoint',
      checkpointInterval,
      () => false,
      'organization-locked',
      /the newest checkpoint is missing from the store/,
    ],
    [
      'no nodes in the tail',
      checkpointInterval,
      ({ row }) => row !== 'node',
      'organization-locked',
      /a node of its state is missing from the store/,
    ],
    [
      'no sealed row in the tail',
      6,
      ({ row }) => row !== 'secret',
      'signer-refused',
      /sealed row of the wallet/,
    ],
  ];
  for (const [what, times, lets, code, reason] of refusals)
    it(`signs nothing that it lacks the rows for, and says so: ${what}`, async () => {
      const lost = await world();
      await signAlong(lost, times);
      await restore(lost, lets);
      const { body, status } = await lost.stack.submit(signing(lost.organizationId, lost.newer));
      const refusal = body as { code: string; detail: string };
      assert.notEqual(status, 200);
      assert.deepEqual([refusal.code, status], [code, 503]);
      assert.match(refusal.detail, reason);
    });
});

describe('the heads log', () => {
  it('takes a bounded number of bytes for a signature, checkpoints included', async () => {
    const measured = await world();
    const { heads } = measured;
    const bytes = () => [...heads.records.values()].reduce((sum, { length }) => sum + length, 0);
    await signAlong(measured, checkpointInterval);
    const begun = bytes();
    await signAlong(measured, 2 * checkpointInterval);
    const each = (bytes() - begun) / (2 * checkpointInterval);
    assert.ok(each > 300, `${each} bytes: the rows are not there`);
    assert.ok(each <= mostHeadsBytesPerSignature, `${each} bytes for one signature`);
  });
});
