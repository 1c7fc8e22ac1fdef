import { createCertifier } from '@keystead/enclave-certifier/program';
import { createPolicyEngine } from '@keystead/enclave-policy/program';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import { type InMemoryOptions, inMemoryDeployment } from '@keystead/enclave-runtime/in-memory-deployment';
import type { EnclaveContext, Program } from '@keystead/enclave-runtime/program';
import { createSigner } from '@keystead/enclave-signer/program';
import { keptRows, RollingForward, storeBatch } from '@keystead/host-gateway/store-rows';
import { openMemoryStore } from '@keystead/host-storage/memory/store-memory';
import type { Store } from '@keystead/host-storage/store';
import { hexEncode } from '@keystead/crypto/hex';
import type { FinishedAnswer } from '@keystead/protocol/answer';
import type { Role } from '@keystead/protocol/deployment';
import {
  FromCertifier,
  FromPolicy,
  FromSigner,
  RawRequest,
  type RowQuery,
  ToCertifier,
  ToPolicy,
  ToSigner,
} from '@keystead/protocol/frames';

/**
 * The three enclave programs, a memory store and a host that only carries messages, in one process: the rung
 * `inproc`. Every message passes its codec, as on the wire. `host` may be replaced message by message, which is how
 * tests play a hostile one.
 */
export interface Host {
  toPolicy?(message: ToPolicy): ToPolicy | null;
  toSigner?(message: ToSigner): ToSigner | null;
  toCertifier?(message: ToCertifier): ToCertifier | null;
  fromCertifier?(message: FromCertifier): FromCertifier | null;
  fromPolicy?(message: FromPolicy): FromPolicy | null;
  fromSigner?(message: FromSigner): FromSigner | null;
  /** A program threw, which ends its process; without this, the error is thrown on. */
  ended?(role: Role, error: unknown): void;
  /** Lets a question for a head pass the batches that came before it. */
  readonly headsPass?: boolean;
}

/** A message that the host hands to a program, whoever wrote it. */
export type Given =
  | { readonly to: 'policy'; readonly message: ToPolicy }
  | { readonly to: 'signer'; readonly message: ToSigner }
  | { readonly to: 'certifier'; readonly message: ToCertifier };

export interface Answered {
  readonly status: number;
  readonly body: unknown;
  readonly signature: Uint8Array;
  readonly identity: Uint8Array;
}

/** A heads log in memory. */
export function memoryHeads(): HeadsPort & { readonly records: Map<number, Uint8Array> } {
  const records = new Map<number, Uint8Array>();
  let snapshot: { sequence: number; bytes: Uint8Array } | undefined;
  return {
    records,
    async append(sequence, record) {
      records.set(sequence, record.slice());
    },
    async load() {
      return {
        snapshot: snapshot?.bytes,
        snapshotSequence: snapshot?.sequence ?? 0,
        records: [...records].map(([sequence, record]) => ({ sequence, record })),
      };
    },
    async snapshot(sequence: number, bytes: Uint8Array) {
      snapshot = { sequence, bytes: bytes.slice() };
    },
  } as HeadsPort & { readonly records: Map<number, Uint8Array> };
}

export class InProcess {
  readonly contexts: Record<Role, EnclaveContext>;
  /** May be exchanged for an older copy before a `restart`. */
  store: Store;
  readonly heads: HeadsPort;
  host: Host = {};
  readonly seen: string[] = [];
  #policy!: Program<ToPolicy, FromPolicy>;
  #signer!: Program<ToSigner, FromSigner>;
  #certifier!: Program<ToCertifier, FromCertifier>;
  readonly #waiting = new Map<number, (answer: FinishedAnswer) => void>();
  readonly #refsOf = new Map<string, number[]>();
  readonly #held = new Map<number, Extract<FromPolicy, { type: 'batch' }>>();
  #requests: { ref: number; owner: undefined; request: Uint8Array }[] = [];
  #nextRef = 1;
  #scheduled = false;
  /** Resolves when the store has what the certifier's tail brought: no request goes out before. */
  #whole = Promise.withResolvers<void>();
  #rolled: Promise<void> = Promise.resolve();
  #rolling!: RollingForward;
  /** What goes to the certifier leaves in the order in which the policy engine sent it. */
  #passedOn: Promise<void> = Promise.resolve();

  constructor(
    options: InMemoryOptions & {
      readonly store?: Store;
      readonly heads?: HeadsPort;
      readonly contexts?: Record<Role, EnclaveContext>;
    } = {},
  ) {
    this.contexts = options.contexts ?? inMemoryDeployment(options);
    this.store = options.store ?? openMemoryStore();
    this.heads = options.heads ?? memoryHeads();
    this.restart();
  }

  /** Starts the three programs again, as after a kill: nothing of their memory is left. */
  restart(roles: readonly Role[] = ['policy', 'signer', 'certifier']): void {
    if (roles.includes('policy')) {
      const policy = createPolicyEngine(this.contexts.policy);
      policy.send = (message) => {
        if (policy === this.#policy) this.#fromPolicy(FromPolicy.decode(FromPolicy.encode(message)));
      };
      this.#policy = policy;
    }
    if (roles.includes('signer')) {
      const signer = createSigner(this.contexts.signer);
      signer.send = (message) => {
        if (signer === this.#signer) this.#fromSigner(FromSigner.decode(FromSigner.encode(message)));
      };
      this.#signer = signer;
    }
    if (roles.includes('certifier')) {
      // Requests that wait for a certifier that never began wait for this one.
      const before = this.#whole;
      this.#whole = Promise.withResolvers();
      void this.#whole.promise.then(before.resolve);
      this.#rolling = new RollingForward(this.store);
      const { ended } = this.host;
      const refuse = ended === undefined ? undefined : (error: Error) => ended('certifier', error);
      const certifier = createCertifier(this.contexts.certifier, this.heads, refuse);
      certifier.send = (message) => {
        if (certifier === this.#certifier)
          this.#fromCertifier(FromCertifier.decode(FromCertifier.encode(message)));
      };
      this.#certifier = certifier;
      setImmediate(() => {
        if (certifier === this.#certifier) certifier.turn();
      });
    }
  }

  /** Sends one request to policy engine and signer and waits for its answer. */
  submit(request: RawRequest): Promise<Answered> {
    const ref = this.#nextRef++;
    this.#requests.push({ ref, owner: undefined, request: RawRequest.encode(request) });
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#whole.promise.then(() => this.#tick()));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer')), 30_000);
      this.#waiting.set(ref, (answer) => {
        clearTimeout(timer);
        resolve({
          status: answer.status,
          body: JSON.parse(Buffer.from(answer.body).toString('utf8')),
          signature: answer.signature,
          identity: answer.identity,
        });
      });
    });
  }

  /** Hands a program a message past the hooks of `host`. */
  give(given: Given): void {
    switch (given.to) {
      case 'policy':
        this.#givePolicy(given.message);
        return;
      case 'signer':
        this.#giveSigner(given.message);
        return;
      case 'certifier':
        this.#giveCertifier(given.message);
    }
  }

  /** Takes what a certifier said, past the hooks: as if this stack's own one had said it. */
  hear(message: FromCertifier): Promise<void> {
    return this.#certified(message);
  }

  resync(): void {
    this.#toPolicy({ type: 'resync' });
  }

  #tick(): void {
    this.#scheduled = false;
    const items = this.#requests;
    this.#requests = [];
    if (items.length === 0) return;
    this.#toSigner({ type: 'requests', items });
    this.#toPolicy({ type: 'requests', items });
  }

  #toPolicy(message: ToPolicy): void {
    const carried = this.host.toPolicy === undefined ? message : this.host.toPolicy(message);
    if (carried !== null) this.#givePolicy(carried);
  }

  #givePolicy(message: ToPolicy): void {
    const program = this.#policy;
    this.#run('policy', () => {
      if (program !== this.#policy) return;
      program.receive(ToPolicy.decode(ToPolicy.encode(message)));
      program.turn();
    });
  }

  #toSigner(message: ToSigner): void {
    const carried = this.host.toSigner === undefined ? message : this.host.toSigner(message);
    if (carried !== null) this.#giveSigner(carried);
  }

  #giveSigner(message: ToSigner): void {
    const program = this.#signer;
    this.#run('signer', () => {
      if (program !== this.#signer) return;
      program.receive(ToSigner.decode(ToSigner.encode(message)));
      program.turn();
    });
  }

  #toCertifier(message: ToCertifier): void {
    const carried = this.host.toCertifier === undefined ? message : this.host.toCertifier(message);
    if (carried !== null) this.#giveCertifier(carried);
  }

  #giveCertifier(message: ToCertifier): void {
    const program = this.#certifier;
    this.#run('certifier', () => {
      if (program !== this.#certifier) return;
      program.receive(ToCertifier.decode(ToCertifier.encode(message)));
      program.turn();
    });
  }

  /** What reaches a program after it was started again never reaches the one that ended. */
  #run(role: Role, turn: () => void): void {
    setImmediate(() => {
      try {
        turn();
      } catch (error) {
        if (this.host.ended === undefined) throw error;
        this.host.ended(role, error);
      }
    });
  }

  #answer(refs: readonly number[], answer: FinishedAnswer): void {
    for (const ref of refs) {
      this.#waiting.get(ref)?.(answer);
      this.#waiting.delete(ref);
    }
  }

  async #fromPolicy(sent: FromPolicy): Promise<void> {
    const message = this.host.fromPolicy === undefined ? sent : this.host.fromPolicy(sent);
    if (message === null) return;
    switch (message.type) {
      case 'batch':
        this.#passedOn = this.#passedOn.then(() => this.#passOn(message));
        return;
      case 'answers':
        for (const { refs, answer } of message.answers) this.#answer(refs, answer);
        return;
      case 'make':
        this.#toSigner({
          type: 'make',
          make: message.make,
          sealed: message.secret === undefined ? undefined : await this.store.secret(message.secret),
        });
        return;
      case 'queryRows': {
        const answers = await Promise.all(
          message.queries.map(async ({ id, query }) => ({ id, rows: await this.#rows(query) })),
        );
        this.#toPolicy({ type: 'rows', answers });
        return;
      }
      case 'queryHead': {
        const ask = () => this.#toCertifier({ type: 'queryHead', query: message.query });
        if (this.host.headsPass === true) ask();
        else this.#passedOn = this.#passedOn.then(ask);
        return;
      }
      default:
        return;
    }
  }

  async #passOn(message: Extract<FromPolicy, { type: 'batch' }>): Promise<void> {
    const { rows } = message;
    await this.store.commit([storeBatch(rows)]);
    this.#held.set(message.batch, message);
    const kept = keptRows(rows);
    if (message.advance === undefined && kept.length > 0) this.#toCertifier({ type: 'rows', rows: kept });
    if (message.advance !== undefined)
      this.#toCertifier({
        type: 'advance',
        order: message.advance,
        rows: kept,
      });
    if (message.query !== undefined) this.#toCertifier({ type: 'query', query: message.query });
  }

  async #rows(query: RowQuery): Promise<Uint8Array[]> {
    switch (query.kind) {
      case 'entries':
        return (await this.store.entries(query.organization, query.from, query.limit)).map(
          (row) => row.bytes,
        );
      case 'newestCheckpoint': {
        const position = await this.store.newestCheckpoint(query.organization, query.atMost);
        if (position === undefined) return [];
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setBigUint64(0, BigInt(position));
        return [bytes];
      }
      case 'node':
        return [await this.store.node(query.hash)].filter((row) => row !== undefined);
      case 'ownerOf':
        return [await this.store.ownerOf(uuidText(query.walletId))].filter((row) => row !== undefined);
    }
  }

  async #fromCertifier(sent: FromCertifier): Promise<void> {
    const message = this.host.fromCertifier === undefined ? sent : this.host.fromCertifier(sent);
    if (message !== null) await this.#certified(message);
  }

  async #certified(message: FromCertifier): Promise<void> {
    if (message.type === 'tail') {
      const whole = this.#whole;
      this.#rolled = this.#rolled.then(async () => {
        await this.#rolling.take(message.rows);
        if (message.last) whole.resolve();
      });
    }
    if (message.type === 'head') this.#toPolicy({ type: 'head', answer: message.answer });
    if (message.type !== 'receipt') return;
    this.#toPolicy({ type: 'receipt', receipt: message.forPolicy });
    const held = this.#held.get(message.batch);
    this.#held.delete(message.batch);
    const secrets: { hash: Uint8Array; sealed: Uint8Array }[] = [];
    for (const { identity, refs, secret } of held?.waiting ?? []) {
      const name = hexEncode(identity);
      this.#refsOf.set(name, [...(this.#refsOf.get(name) ?? []), ...refs]);
      const sealed = secret === undefined ? undefined : await this.store.secret(secret);
      if (secret !== undefined && sealed !== undefined) secrets.push({ hash: secret, sealed });
    }
    this.#toSigner({ type: 'tickets', tickets: held?.tickets, receipt: message.forSigner, secrets });
  }

  #fromSigner(sent: FromSigner): void {
    const message = this.host.fromSigner === undefined ? sent : this.host.fromSigner(sent);
    if (message === null) return;
    if (message.type === 'made') this.#toPolicy({ type: 'made', made: message.made });
    if (message.type === 'noted') this.#toPolicy({ type: 'noted', noted: message.noted });
    if (message.type !== 'answers') return;
    for (const answer of message.answers) {
      const name = hexEncode(answer.identity);
      this.#answer(this.#refsOf.get(name) ?? [], answer);
      this.#refsOf.delete(name);
    }
  }
}

function uuidText(id: Uint8Array): string {
  return hexEncode(id).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
