/**
 * Makes the ledger of a stopped deployment long: the deployment's own policy engine and certifier, in this process and
 * under its own keys, write entries into its own files. An entry is the outcome of a broadcast, which needs no signature.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createCertifier } from '@keystead/enclave-certifier/program';
import { createPolicyEngine } from '@keystead/enclave-policy/program';
import { createContext } from '@keystead/enclave-runtime/context';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import { defaultSettings } from '@keystead/enclave-runtime/settings';
import { keptRows, RollingForward, rowsFor, storeBatch } from '@keystead/host-gateway/store-rows';
import { HeadsLog } from '@keystead/host-heads/heads-log';
import { openSqliteStore } from '@keystead/host-storage/sqlite/store-sqlite';
import type { Store } from '@keystead/host-storage/store';
import { concatBytes } from '@keystead/crypto/bytes';
import type { FromCertifier, FromPolicy, RawRequest } from '@keystead/protocol/frames';
import { RawRequest as RawRequestCodec } from '@keystead/protocol/frames';
import { parseUuid } from '@keystead/protocol/ids';
import { genesisOf } from '../development-secrets.ts';

/** Outcomes of one turn of the policy engine: one batch. */
const turnEntries = 2048;
const outcome = Buffer.from(JSON.stringify({ status: 'accepted', transactionId: `0x${'5a'.repeat(32)}` }));

export interface GrownLedger {
  readonly entries: number;
  /** Bytes that the heads log took for them. */
  readonly headsBytes: number;
}

/** The context of one role of the deployment in `home`, which unlocks with its development file. */
function contextOf(home: string, role: 'policy' | 'certifier') {
  return createContext({
    role,
    profile: 'development',
    settings: defaultSettings('development'),
    ...genesisOf(home, role),
  });
}

/** The log in `directory`, as the certifier reaches it through its keeper. */
function headsPort(log: HeadsLog, appended: (bytes: number) => void): HeadsPort {
  return {
    load: async () => {
      const parts = [...log.snapshotParts()];
      return {
        snapshot: parts.length === 0 ? undefined : concatBytes(...parts),
        snapshotSequence: log.snapshotSequence,
        records: [...log.records()],
      };
    },
    append: async (sequence, record) => {
      log.append(sequence, record);
      appended(record.length);
    },
    snapshot: async (sequence, bytes) => void log.addSnapshotPart(sequence, bytes, true),
  };
}

/**
 * Appends so many entries to the chain of an organization of the deployment in `home`, whose processes have ended.
 * `reading` is a stamped request of that organization that changes nothing: it brings the organization into memory.
 */
export async function growLedger(
  { home, heads }: { readonly home: string; readonly heads: string },
  organizationId: string,
  reading: RawRequest,
  entries: number,
): Promise<GrownLedger> {
  if (!existsSync(join(home, 'store.sqlite'))) throw new Error(`${home} has no store`);
  const organization = parseUuid(organizationId)!;
  const store = openSqliteStore(join(home, 'store.sqlite'));
  const log = new HeadsLog(heads);
  let headsBytes = 0;
  try {
    const engine = new Engine(
      home,
      store,
      headsPort(log, (bytes) => (headsBytes += bytes)),
    );
    await engine.begun;
    await engine.read(reading);
    for (let left = entries; left > 0; left -= turnEntries)
      await engine.append(organization, Math.min(left, turnEntries));
    return { entries, headsBytes };
  } finally {
    log.close();
    await store.close();
  }
}

class Engine {
  readonly #store: Store;
  readonly #policy;
  readonly #certifier;
  #tail = Promise.withResolvers<void>();
  #answered = Promise.withResolvers<void>();
  #receipts = 0;
  #batches = 0;
  #whole = Promise.withResolvers<void>();

  constructor(home: string, store: Store, heads: HeadsPort) {
    this.#store = store;
    this.#policy = createPolicyEngine(contextOf(home, 'policy'));
    this.#certifier = createCertifier(contextOf(home, 'certifier'), heads);
    this.#policy.send = (message) => void this.#fromPolicy(message);
    this.#certifier.send = (message) => void this.#fromCertifier(message);
  }

  get begun(): Promise<void> {
    return this.#tail.promise;
  }

  async read(request: RawRequest): Promise<void> {
    this.#answered = Promise.withResolvers();
    const items = [{ ref: 1, owner: undefined, request: RawRequestCodec.encode(request) }];
    this.#policy.receive({ type: 'requests', items });
    this.#policy.turn();
    await this.#answered.promise;
  }

  /** One turn of outcomes; resolves when the certifier has all of them. */
  async append(organization: Uint8Array, count: number): Promise<void> {
    this.#whole = Promise.withResolvers();
    const before = this.#batches;
    for (let n = 0; n < count; n += 1)
      this.#policy.receive({ type: 'outcome', organization, position: 1, network: 'eip155:1', outcome });
    this.#policy.turn();
    // A state of which something has left the memory takes no outcomes.
    if (this.#batches === before) throw new Error(`the policy engine dropped ${count} outcomes`);
    await this.#whole.promise;
  }

  async #fromPolicy(message: FromPolicy): Promise<void> {
    switch (message.type) {
      case 'answers':
        for (const { answer } of message.answers)
          if (answer.status !== 200) throw new Error(Buffer.from(answer.body).toString());
        this.#answered.resolve();
        return;
      case 'queryHead':
        this.#certifier.receive({ type: 'queryHead', query: message.query });
        this.#certifier.turn();
        return;
      case 'queryRows': {
        const answers = [];
        for (const { id, query } of message.queries)
          answers.push({ id, rows: await rowsFor(this.#store, query) });
        this.#policy.receive({ type: 'rows', answers });
        this.#policy.turn();
        return;
      }
      case 'batch':
        this.#batches += 1;
        await this.#store.commit([storeBatch(message.rows)]);
        if (message.advance === undefined) throw new Error('a batch without an order');
        this.#certifier.receive({ type: 'advance', order: message.advance, rows: keptRows(message.rows) });
        this.#certifier.turn();
        return;
      default:
        throw new Error(`unexpected ${message.type}`);
    }
  }

  async #fromCertifier(message: FromCertifier): Promise<void> {
    switch (message.type) {
      case 'tail':
        await new RollingForward(this.#store).take(message.rows);
        if (message.last) this.#tail.resolve();
        return;
      case 'head':
        this.#policy.receive({ type: 'head', answer: message.answer });
        this.#policy.turn();
        return;
      case 'receipt':
        this.#receipts += 1;
        this.#policy.receive({ type: 'receipt', receipt: message.forPolicy });
        this.#policy.turn();
        if (this.#receipts === this.#batches) this.#whole.resolve();
    }
  }
}
