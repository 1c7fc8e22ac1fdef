import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import { openMemoryStore } from '@keystead/host-storage/memory/store-memory';
import type { Store } from '@keystead/host-storage/store';
import { Entry, entryHash } from '@keystead/protocol/entry';
import type { RawRequest } from '@keystead/protocol/frames';
import { parseUuid } from '@keystead/protocol/ids';
import { type Answered, InProcess, memoryHeads } from './in-process.ts';
import { stamped } from './stamped.ts';

const root = new Uint8Array(32).fill(7);

/** A gate through which nothing goes while it is shut. */
class Gate {
  arrived = 0;
  #open: Promise<void> = Promise.resolve();
  #release: () => void = () => {};

  shut(): void {
    this.#open = new Promise((resolve) => (this.#release = resolve));
  }

  open(): void {
    this.#release();
  }

  async pass(): Promise<void> {
    this.arrived += 1;
    await this.#open;
  }
}

function gatedStore(gate: Gate): Store {
  const store = openMemoryStore();
  return {
    commit: async (batches) => {
      await gate.pass();
      await store.commit(batches);
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

function gatedHeads(gate: Gate): HeadsPort {
  const heads = memoryHeads();
  return {
    load: () => heads.load(),
    snapshot: (...given) => heads.snapshot(...given),
    append: async (sequence, record) => {
      await gate.pass();
      await heads.append(sequence, record);
    },
  };
}

async function done<T>(answer: Promise<Answered>): Promise<T> {
  const { status, body } = await answer;
  assert.equal(status, 200, JSON.stringify(body));
  return body as T;
}

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};

/** A stack with an organization and a wallet, a gate before its store and one before its keeper. */
async function world() {
  const store = new Gate();
  const keeper = new Gate();
  const logged: string[] = [];
  const log = (event: string) => void logged.push(event);
  const stack = new InProcess({ store: gatedStore(store), heads: gatedHeads(keeper), log });
  const authenticators = [
    {
      authenticatorName: 'a1',
      authenticatorKind: 'keypair',
      publicKey: base64urlEncode(ed25519.publicKey(root)),
      algorithm: 'Ed25519',
    },
  ];
  const users = [{ username: 'root', policy: { type: 'ROOT' }, authenticators }];
  const founding = stamped('createOrganization', { organizationName: 'Acme', users, tags: [] }, root);
  const { organizationId } = await done<{ organizationId: string }>(stack.submit(founding));
  const making = stamped('createWallet', { organizationId, walletName: 'W' }, root);
  const { walletId } = await done<{ walletId: string }>(stack.submit(making));
  const signing = (message: string): RawRequest => {
    const derivationInfo = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };
    const params = { organizationId, walletId, message, algorithm: 'Ed25519', derivationInfo };
    return stamped('signUtf8Message', params, root);
  };
  /** How many entries the store has, which must be one chain. */
  const chain = async (): Promise<number> => {
    const rows = await stack.store.entries(parseUuid(organizationId)!, 1, 100);
    const encoded = rows.map(({ bytes }) => bytes.subarray(0, bytes.length - 32));
    for (const [index, bytes] of encoded.entries())
      if (index > 0) assert.deepEqual(Entry.decode(bytes).previous, entryHash(encoded[index - 1]!));
    return rows.length;
  };
  return { stack, store, keeper, logged, signing, chain };
}

describe('an order that is under way when the policy engine forgets what it decided', () => {
  for (const where of ['store', 'keeper'] as const)
    it(`is built upon, although it was still before the ${where}`, async () => {
      const { stack, logged, signing, chain, ...gates } = await world();
      const gate = gates[where];
      gate.shut();
      const { arrived } = gate;
      const under = stack.submit(signing('under way'));
      while (gate.arrived === arrived) await turns(1);
      stack.resync();
      const after = stack.submit(signing('after'));
      await turns(20);
      gate.open();
      await done(after);
      // Whoever asked for it may have its answer: it is history.
      await done(under);
      assert.ok(!logged.includes('advance-refused'));
      assert.equal(await chain(), 4);
      stack.restart(['policy', 'signer']);
      await done(stack.submit(signing('cold')));
      assert.equal(await chain(), 5);
    });

  it('is built upon by a policy engine that was started again', async () => {
    const { stack, keeper, logged, signing, chain } = await world();
    keeper.shut();
    const { arrived } = keeper;
    stack.submit(signing('under way')).catch(() => {});
    while (keeper.arrived === arrived) await turns(1);
    stack.restart(['policy']);
    const after = stack.submit(signing('after'));
    await turns(20);
    keeper.open();
    await done(after);
    assert.ok(!logged.includes('advance-refused'));
    assert.equal(await chain(), 4);
  });

  it('stays history when a host lets the question for the head pass it: nothing else is signed', async () => {
    const { stack, store, logged, signing, chain } = await world();
    stack.host = { headsPass: true };
    store.shut();
    const { arrived } = store;
    const under = stack.submit(signing('under way'));
    while (store.arrived === arrived) await turns(1);
    stack.resync();
    const after = stack.submit(signing('after'));
    await turns(20);
    store.open();
    await done(under);
    const refused = await after;
    assert.equal(refused.status, 503);
    assert.ok(logged.includes('advance-refused'));
    // The host's own work: its store has a row that is no history, and the organization locks.
    const locked = await stack.submit(signing('locked'));
    assert.equal((locked.body as { code: string }).code, 'organization-locked');
    // What the certifier kept makes the store whole again.
    stack.host = {};
    stack.restart();
    await done(stack.submit(signing('whole')));
    assert.equal(await chain(), 4);
  });
});
