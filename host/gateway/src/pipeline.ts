import { setTimeout as delay } from 'node:timers/promises';
import { HashMap } from '@keystead/crypto/hash-map';
import type { Store } from '@keystead/host-storage/store';
import { AnswerSignature, type FinishedAnswer } from '@keystead/protocol/answer';
import type { Role } from '@keystead/protocol/deployment';
import { KmsError } from '@keystead/protocol/errors';
import type { FromCertifier, FromPolicy, FromSigner, RawRequest, Sealed } from '@keystead/protocol/frames';
import { bytesOf, inParts } from '@keystead/protocol/kept-rows';
import { type Broadcaster, submissionOf } from './broadcast/broadcaster.ts';
import { CertifiedPositions } from './certified-positions.ts';
import { type EnclaveLinks, type LinkEvents, roles } from './enclave-links.ts';
import type { Metrics } from './metrics.ts';
import { FairQueue, type QueuedRequest } from './fair-queue.ts';
import { nameOf, type Report } from '@keystead/host-program/report';
import { Rewrapper } from './rewrapper.ts';
import { Senders } from './senders.ts';
import { keptRows, RollingForward, rowsFor, storeBatch } from './store-rows.ts';
import { type Caller, type Settle, unavailable, Waiting, type WaitingLimits } from './waiting.ts';

type PolicyBatch = Extract<FromPolicy, { type: 'batch' }>;
type HeadQuestion = Extract<FromPolicy, { type: 'queryHead' }>;
type Receipt = Extract<FromCertifier, { type: 'receipt' }>;

export interface PipelineOptions {
  readonly links: EnclaveLinks;
  readonly store: Store;
  readonly broadcaster: Broadcaster;
  readonly metrics: Metrics;
  readonly report: Report;
  readonly limits?: Partial<WaitingLimits>;
  /** How many requests are with the enclaves at one time; the others wait in line here. */
  readonly window?: number;
  /** How long a caller waits for its answer, in milliseconds. */
  readonly patience?: number;
}

const defaultLimits: WaitingLimits = { callers: 2000, bytes: 64 * 1024 * 1024 };
const defaultPatience = 10_000;
/** Enough for full batches in every stage; what more would add is waiting where it cannot be fair any more. */
const defaultWindow = 64;
/** The least that is with the enclaves while several senders share them, and for how long of their work it may be. */
const leastShared = 16;
const sharedSeconds = 0.02;
/** How long senders count as several after the last request of another one, in milliseconds. */
const sharedPatience = 1000;
/** What is answered in so many seconds may wait in one line, and a hundred requests in any case. */
const lineSeconds = 0.5;
const leastInLine = 100;
/** A request that the enclaves have had for so long waits for something else than its turn, in milliseconds. */
const slotPatience = 500;
/** Who has waited in line for so long is served before anything more of its line is taken, in milliseconds. */
const linePatience = 500;
/** One for all: shedding has to cost less than what is shed. */
const overloaded = new KmsError('overloaded', {});
const sweepInterval = 250;
/** Pause before the certifier's tail is offered to a failing store again, in milliseconds. */
const tailRetry = 1000;
/** Rows of the tail that are looked up at one go while requests are answered. */
const servingRows = 64;
/** What one `requests` frame carries at most. */
const mostFrameItems = 4096;
const mostFrameBytes = 12 * 1024 * 1024;
/** What a request has at most beside its body. */
const mostHeadBytes = 64 * 1024;
/** Pause before rows whose order has left are committed again, in milliseconds. */
const commitRetry = 500;
/** Rows that may be committed while the certifier judges their orders, of all batches together: it keeps them whole. */
const mostAheadBytes = 4 * 1024 * 1024;
const mostAheadRows = 16_384;
/** What one frame with rows for the heads log carries at most. */
const mostKeptBytes = 8 * 1024 * 1024;
const mostKeptRows = 65_536;

/**
 * What the policy engine sends on to the certifier, with the number of resyncs that had been sent, and that it had read
 * for sure, when this arrived.
 */
interface Queued {
  readonly resyncs: number;
  readonly read: number;
  readonly message: PolicyBatch | HeadQuestion;
}

type Secrets = { readonly hash: Uint8Array; readonly sealed: Uint8Array }[];

/** A batch whose order has left and whose receipt is not there yet. */
interface Ordered {
  readonly tickets: Sealed | undefined;
  readonly waiting: PolicyBatch['waiting'];
  readonly at: number;
  /** The sealed rows that its tickets name, which are read while the certifier works. */
  secrets: Promise<Secrets> | undefined;
  /** Receipts that the certifier owes for it. */
  owed: number;
}

/**
 * The gateway's part of a tick (spec/frames.md §4): requests out, rows kept, advances and receipts passed on, answers
 * back to their callers. It decides nothing and changes no byte of what an enclave wrote.
 */
export class Pipeline implements LinkEvents {
  readonly #links: EnclaveLinks;
  readonly #store: Store;
  readonly #broadcaster: Broadcaster;
  readonly #metrics: Metrics;
  readonly #report: Report;
  readonly #patience: number;
  readonly #waiting: Waiting;
  readonly #sweep: NodeJS.Timeout;

  readonly #window: number;
  readonly #line = new FairQueue();
  readonly #senders = new Senders();
  /** When each request left for the enclaves, of `performance.now()`, oldest first. */
  readonly #underWay = new Map<number, number>();
  #answers = 0;
  /** Of the last seconds, smoothed. */
  #answersPerSecond = 0;
  #lastTenant: string | undefined;
  /** When a request came from another tenant than the one before. */
  #sharedAt = Number.NEGATIVE_INFINITY;
  #tickScheduled = false;

  /** In the order of arrival: a question for a head must not pass the batch that moves it. */
  #queue: Queued[] = [];
  #passingOn: Promise<void> | undefined;
  readonly #ordered = new Map<string, Ordered>();
  /** Work on receipts goes on in the order of their arrival, although rows are read in between. */
  #receipts: Promise<void> = Promise.resolve();

  /** Batches of an ended policy engine that may still move heads: a new one must not read heads before that. */
  readonly #orphaned = new Set<string>();
  #resyncOwed = false;
  #resyncs = 0;
  /** Those that the policy engine has read: it has answered the ping that went ahead of the last one. */
  #resyncsRead = 0;
  #resyncPing = 0;
  readonly #certified = new CertifiedPositions();
  #tailKept = false;
  #rolling: RollingForward;
  #tail: Promise<void> = Promise.resolve();
  /** Counts the certifier's links: a tail of an earlier one says nothing about the present one. */
  #certifierLink = 0;
  readonly #rewrapper: Rewrapper;
  #storeFailing = false;
  /** Receipts that came while the rows of orders that had left were being committed: undefined at other times. */
  #early: Receipt[] | undefined;
  /** The store does not take the rows of orders that have left, and is asked again and again. */
  #rowsOwed = false;
  #draining = false;
  #stopped = false;

  constructor(options: PipelineOptions) {
    this.#links = options.links;
    this.#store = options.store;
    this.#rolling = new RollingForward(options.store);
    this.#broadcaster = options.broadcaster;
    this.#metrics = options.metrics;
    this.#report = options.report;
    this.#patience = options.patience ?? defaultPatience;
    this.#window = options.window ?? defaultWindow;
    this.#waiting = new Waiting({ ...defaultLimits, ...options.limits });
    this.#rewrapper = new Rewrapper({
      store: options.store,
      report: options.report,
      send: (message) => options.links.send('signer', message),
    });
    this.#sweep = setInterval(() => this.#expire(), sweepInterval);
  }

  /** Callers that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Throws KmsError `overloaded` when nothing more is taken from the sender whose key a stamp names: its line does not
   * move fast enough, or all room is taken and nobody else waits.
   */
  admit(key: string | undefined): void {
    if (this.sheds(key)) throw overloaded;
  }

  /** As `admit`, without a word. */
  sheds(key: string | undefined): boolean {
    if (this.#line.size === 0 && !this.#waiting.isFull) return false;
    const line = this.#senders.lineOf(key);
    const length = this.#line.lengthOf(line);
    if (length >= Math.max(leastInLine, this.#answersPerSecond * lineSeconds)) return true;
    const oldest = this.#line.oldestOf(line);
    if (oldest !== undefined && performance.now() - oldest > linePatience) return true;
    return this.#waiting.isFull && this.#line.size <= this.#line.sizeOf(this.#senders.tenantOf(key));
  }

  /** Whether every enclave answers pings. */
  get isHealthy(): boolean {
    return roles.every((role) => this.#links.isAnswering(role));
  }

  /** Whether requests are accepted and can be kept. */
  get isReady(): boolean {
    return this.#accepts && !this.#storeFailing;
  }

  /**
   * Hands one request to policy engine and signer. `settle` is called once, later or at once: with KmsError
   * `overloaded` (shed before anything was done) or `unavailable` (no answer came; identical bytes may be sent again)
   * where there is no answer. `key` is the one that its stamp names.
   */
  submit(request: RawRequest, key: string | undefined, settle: Settle): void {
    if (!this.#accepts) return void settle(unavailable());
    const line = this.#senders.lineOf(key);
    const tenant = this.#senders.tenantOf(key);
    if (this.#waiting.isFull) {
      const dropped = this.#line.dropFor(tenant);
      if (dropped === undefined) return void settle(overloaded);
      this.#waiting.settle(dropped.ref, overloaded);
      if (this.#waiting.isFull) return void settle(overloaded);
    }
    const { ref, arrived } = this.#waiting.add(request, (outcome) => {
      this.#underWay.delete(ref);
      if (this.#line.size > 0) this.#schedule();
      if (!(outcome instanceof KmsError)) {
        this.#answers += 1;
        this.#metrics.answerSeconds.add((performance.now() - arrived) / 1000);
        if (outcome.status === 200) this.#senders.note(key, () => organizationOf(outcome));
      }
      settle(outcome);
    });
    this.#line.add(line, { ref, request, arrived }, tenant);
    if (tenant !== this.#lastTenant && this.#lastTenant !== undefined) this.#sharedAt = arrived;
    this.#lastTenant = tenant;
    this.#schedule();
  }

  /** Accepts nothing more; resolves when all callers are answered, or fails them after `patience` milliseconds. */
  async drain(patience: number): Promise<void> {
    this.#draining = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patience);
    await Promise.race([this.#waiting.empty(), promise]);
    clearTimeout(timer);
    this.#waiting.fail(unavailable);
  }

  stop(): void {
    this.#draining = true;
    this.#stopped = true;
    clearInterval(this.#sweep);
    this.#rewrapper.stop();
    this.#waiting.fail(unavailable);
  }

  get #accepts(): boolean {
    return !this.#draining && this.#isWhole;
  }

  get #isWhole(): boolean {
    return (
      this.#tailKept && !this.#resyncOwed && !this.#rowsOwed && this.#orphaned.size === 0 && this.isHealthy
    );
  }

  // Requests

  #schedule(): void {
    if (this.#tickScheduled) return;
    this.#tickScheduled = true;
    setImmediate(() => this.#tick());
  }

  #tick(): void {
    this.#tickScheduled = false;
    if (!this.#isWhole) {
      for (const { ref } of this.#line.take(this.#line.size)) this.#waiting.settle(ref, unavailable());
      return;
    }
    const arrived = this.#takeFromLine();
    const now = performance.now();
    for (const { ref } of arrived) this.#underWay.set(ref, now);
    for (let from = 0; from < arrived.length; ) {
      let bytes = 0;
      let end = from;
      while (end < arrived.length && end - from < mostFrameItems) {
        bytes += arrived[end]!.request.body.length + mostHeadBytes;
        if (end > from && bytes > mostFrameBytes) break;
        end += 1;
      }
      const items = arrived.slice(from, end).map(({ ref, request }) => ({ ref, owner: undefined, request }));
      this.#links.sendRequests(items);
      this.#metrics.tickRequests.add(items.length);
      from = end;
    }
    this.#links.flush();
  }

  /**
   * What has left for the enclaves is served in the order in which it left: while senders share them, little leaves at
   * a time, so that nobody waits long behind what another has sent before.
   */
  #windowNow(): number {
    if (performance.now() - this.#sharedAt > sharedPatience) return this.#window;
    return Math.min(this.#window, Math.max(leastShared, Math.ceil(this.#answersPerSecond * sharedSeconds)));
  }

  /** As many as there is room for with the enclaves; who has gone meanwhile takes none. */
  #takeFromLine(): QueuedRequest[] {
    const arrived: QueuedRequest[] = [];
    const window = this.#windowNow();
    while (this.#line.size > 0 && this.#underWay.size + arrived.length < window) {
      const taken = this.#line.take(window - this.#underWay.size - arrived.length);
      arrived.push(...taken.filter(({ ref }) => this.#waiting.caller(ref) !== undefined));
    }
    return arrived;
  }

  // Policy engine

  policy(message: FromPolicy): void {
    switch (message.type) {
      case 'batch':
        this.#enqueue(message);
        return;
      case 'answers':
        for (const { refs, answer } of message.answers) this.#answer(this.#callersOf(answer, refs), answer);
        return;
      case 'make':
        this.#later('make', async () => {
          const sealed = message.secret === undefined ? undefined : await this.#store.secret(message.secret);
          this.#links.send('signer', { type: 'make', make: message.make, sealed });
        });
        return;
      case 'queryRows':
        this.#later('query-rows', async () => {
          const answers = [];
          for (const { id, query } of message.queries)
            answers.push({ id, rows: await rowsFor(this.#store, query) });
          this.#sendRows(answers);
        });
        return;
      case 'queryHead':
        if (this.#passingOn === undefined)
          this.#links.send('certifier', { type: 'queryHead', query: message.query });
        else this.#enqueue(message);
        return;
      case 'pong':
        if (message.id === this.#resyncPing) this.#resyncsRead = this.#resyncs;
        return;
    }
  }

  #sendRows(answers: { id: number; rows: Uint8Array[] }[]): void {
    let frameAnswers: typeof answers = [];
    let bytes = 0;
    const leave = () => {
      if (frameAnswers.length > 0) this.#links.send('policy', { type: 'rows', answers: frameAnswers });
      frameAnswers = [];
      bytes = 0;
    };
    for (const answer of answers) {
      const length = answer.rows.reduce((sum, row) => sum + row.length + 4, 16);
      if (bytes + length > mostFrameBytes) leave();
      frameAnswers.push(answer);
      bytes += length;
    }
    leave();
  }

  #enqueue(message: Queued['message']): void {
    this.#queue.push({ resyncs: this.#resyncs, read: this.#resyncsRead, message });
    // The other batches of this turn are read first: they share one commit.
    this.#passingOn ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#passOn());
  }

  /**
   * Commits in one go what has been read, and sends the orders: where it can be, before the commit, so that store and heads
   * log write at once (decision 0045). What arrives meanwhile is the next go.
   */
  async #passOn(): Promise<void> {
    while (this.#queue.length > 0) {
      const taken = this.#queue;
      this.#queue = [];
      if (!(await this.#mayStand(this.#currentOf(taken))))
        for (const { message } of taken) {
          if (message.type === 'batch') this.#failTickets(message.waiting);
        }
      else if (this.#mayGoAhead(taken)) await this.#passOnAhead(taken);
      else await this.#passOnKept(taken);
    }
    this.#passingOn = undefined;
  }

  #currentOf(taken: readonly Queued[]): PolicyBatch[] {
    return taken.flatMap((queued) =>
      queued.message.type === 'batch' && this.#isCurrent(queued) ? [queued.message] : [],
    );
  }

  /**
   * Whether the certifier may hear of these batches before their rows are durable. It keeps every row of theirs with the
   * order then, so that the store gets from it what it does not come to write.
   */
  #mayGoAhead(taken: readonly Queued[]): boolean {
    // Before the tail is kept, what the store has need not be a beginning of history.
    if (!this.#tailKept || this.#storeFailing || !this.#links.isOpen('certifier')) return false;
    let bytes = 0;
    let rows = 0;
    for (const { message } of taken) {
      // Whoever learns a head asks for its rows.
      if (message.type !== 'batch') return false;
      const { entries, nodes, secrets, owners } = message.rows;
      const count = entries.length + nodes.length + secrets.length + owners.length;
      if (count === 0) continue;
      if (message.advance === undefined || message.advance.bytes.length > mostAheadBytes) return false;
      rows += count;
      for (const each of [entries, nodes, secrets]) for (const row of each) bytes += row.bytes.length;
      if (rows > mostAheadRows || bytes > mostAheadBytes) return false;
    }
    return true;
  }

  /** Orders first. What the certifier says to them goes on when the rows are durable too, and not before. */
  async #passOnAhead(taken: readonly Queued[]): Promise<void> {
    const batches = this.#currentOf(taken);
    for (const { message } of taken)
      if (message.type === 'batch' && !batches.includes(message)) this.#failTickets(message.waiting);
    this.#early = [];
    const ordered = batches.map((batch) => this.#orderReceipt(batch));
    this.#links.flush();
    for (let tries = 1; !(await this.#commit(batches)); tries += 1) {
      if (tries === 1) continue;
      if (tries === 2) {
        // What they asked for may be history by now: identical bytes get its answer later.
        this.#rowsOwed = true;
        this.#waiting.fail(unavailable);
        this.#line.clear();
        this.#underWay.clear();
      }
      await delay(commitRetry);
      if (this.#stopped) return;
    }
    this.#rowsOwed = false;
    for (const each of ordered) this.#readSecrets(each);
    const early = this.#early;
    this.#early = undefined;
    for (const receipt of early) this.#passReceipt(receipt);
    this.#resyncWhenWhole();
    this.#links.flush();
  }

  /** Rows first: no order leaves before its rows are durable. */
  async #passOnKept(taken: readonly Queued[]): Promise<void> {
    const kept = await this.#commit(this.#currentOf(taken));
    if (!kept) this.#requestResync();
    for (const queued of taken) {
      const { message } = queued;
      const isCurrent = this.#isCurrent(queued);
      if (message.type === 'queryHead') {
        if (isCurrent) this.#links.send('certifier', { type: 'queryHead', query: message.query });
      } else if (isCurrent && kept) this.#readSecrets(this.#orderReceipt(message));
      else this.#failTickets(message.waiting);
    }
    this.#links.flush();
  }

  /**
   * False for what the policy engine sent before a resync that it will get or has got: it has forgotten it then, and
   * reads heads and decides anew. Its order must not come after those heads.
   */
  #isCurrent({ resyncs, read, message }: Queued): boolean {
    // A question that is asked in vain costs nothing; one that is not asked would be waited for.
    const known = message.type === 'batch' ? read : resyncs;
    return !this.#resyncOwed && known === this.#resyncs;
  }

  /** Whether no row of the batches takes the place of history. When one does, or nobody can say, a resync follows. */
  async #mayStand(batches: readonly PolicyBatch[]): Promise<boolean> {
    try {
      const entries = batches.flatMap(({ rows }) => rows.entries);
      if (!(await this.#certified.wouldChange(this.#store, entries))) return true;
      this.#metrics.event('certified-row-kept');
      this.#report('error', 'certified-row-kept');
    } catch (error) {
      this.#commitFailed(error);
    }
    this.#requestResync();
    return false;
  }

  /** Whether all rows of the batches are durable. */
  async #commit(batches: readonly PolicyBatch[]): Promise<boolean> {
    const begun = performance.now();
    try {
      const rows = batches.map((batch) => storeBatch(batch.rows)).filter(hasRows);
      if (rows.length > 0) {
        await this.#store.commit(rows);
        this.#metrics.commitSeconds.add((performance.now() - begun) / 1000);
        this.#metrics.batchEntries.add(rows.reduce((sum, { entries }) => sum + entries.length, 0));
      }
      if (batches.length > 0) this.#storeFailing = false;
      return true;
    } catch (error) {
      this.#commitFailed(error);
      return false;
    }
  }

  #commitFailed(error: unknown): void {
    this.#storeFailing = true;
    this.#metrics.event('store-error');
    this.#report('error', 'commit-failed', { reason: nameOf(error) });
  }

  /** Sends what the certifier has to say something to. Undefined when there is nothing, or nobody. */
  #orderReceipt(batch: PolicyBatch): Ordered | undefined {
    const { advance, query, waiting, tickets } = batch;
    for (const { identity, refs } of waiting) this.#waiting.bind(identity, refs);
    const order = advance ?? query;
    const rows = this.#keptFor(batch);
    if (order === undefined || !this.#links.isOpen('certifier')) {
      this.#failTickets(waiting);
      return undefined;
    }
    const owed = (advance === undefined ? 0 : 1) + (query === undefined ? 0 : 1);
    const ordered: Ordered = { tickets, waiting, owed, at: performance.now(), secrets: undefined };
    this.#ordered.set(batchName(order, batch.batch), ordered);
    if (advance !== undefined) this.#links.send('certifier', { type: 'advance', order: advance, rows });
    if (query !== undefined) this.#links.send('certifier', { type: 'query', query });
    return ordered;
  }

  #readSecrets(ordered: Ordered | undefined): void {
    if (ordered?.tickets === undefined) return;
    ordered.secrets = this.#secretsOf(ordered.waiting);
    // Whoever waits for them hears of an error.
    ordered.secrets.catch(() => {});
  }

  /** The rows that go to the heads log with the batch's order. Those for which its frame has no room go ahead of it. */
  #keptFor({ advance, rows }: PolicyBatch): Uint8Array[] {
    const parts = inParts(keptRows(rows), mostKeptBytes, mostKeptRows);
    const last = parts.at(-1)!;
    const room = advance === undefined ? 0 : mostFrameBytes - advance.bytes.length;
    const together = bytesOf(last) <= room ? parts.pop()! : [];
    for (const part of parts)
      if (part.length > 0) this.#links.send('certifier', { type: 'rows', rows: part });
    return together;
  }

  // Certifier

  certifier(message: FromCertifier): void {
    switch (message.type) {
      case 'receipt':
        if (this.#early === undefined) this.#passReceipt(message);
        else this.#early.push(message);
        return;
      case 'head':
        this.#links.send('policy', { type: 'head', answer: message.answer });
        return;
      case 'tail': {
        const link = this.#certifierLink;
        this.#certified.noteKept(message.rows);
        this.#tail = this.#tail.then(() => this.#keepTail(link, message.rows, message.last));
        return;
      }
      case 'pong':
        return;
    }
  }

  #passReceipt(receipt: Receipt): void {
    this.#certified.note(receipt.inclusions);
    this.#links.send('policy', { type: 'receipt', receipt: receipt.forPolicy });
    this.#receipt(receipt);
  }

  #receipt(receipt: Receipt): void {
    const name = batchName(receipt.forPolicy, receipt.batch);
    const ordered = this.#ordered.get(name);
    if (ordered === undefined) return;
    ordered.owed -= 1;
    const last = ordered.owed <= 0;
    if (last) {
      this.#ordered.delete(name);
      this.#orphaned.delete(name);
    }
    const tickets = last ? ordered.tickets : undefined;
    this.#receipts = this.#receipts.then(async () => {
      try {
        const secrets =
          tickets === undefined ? [] : await (ordered.secrets ?? this.#secretsOf(ordered.waiting));
        const sent = this.#links.send('signer', {
          type: 'tickets',
          tickets,
          receipt: receipt.forSigner,
          secrets,
        });
        if (!sent) this.#failTickets(ordered.waiting);
        this.#links.flush();
      } catch (error) {
        this.#report('error', 'tickets-lost', { reason: nameOf(error) });
        this.#failTickets(ordered.waiting);
      }
    });
  }

  /** The sealed rows that the tickets name, each once; a row that is gone is left out, and the signer refuses. */
  async #secretsOf(waiting: PolicyBatch['waiting']): Promise<Secrets> {
    const secrets: Secrets = [];
    // A wallet that signs often has many tickets in one batch.
    const read = new HashMap<true>();
    for (const { secret } of waiting) {
      if (secret === undefined || read.get(secret)) continue;
      read.set(secret, true);
      const sealed = await this.#store.secret(secret);
      if (sealed !== undefined) secrets.push({ hash: secret, sealed });
    }
    return secrets;
  }

  /** Takes a frame of the tail, as often as the store fails. Requests are accepted once a frame was there already. */
  async #keepTail(link: number, rows: readonly Uint8Array[], last: boolean): Promise<void> {
    // What is being committed was decided before the certifier was lost: it must not come after the rows of the tail.
    if (!this.#tailKept) await this.#passingOn;
    // What follows the first whole frame is taken while requests are answered, which wait for rows again and again.
    const length = this.#tailKept ? servingRows : rows.length;
    const kept = { entries: 0, nodes: 0, secrets: 0, owners: 0, refused: 0 };
    for (let from = 0; from < rows.length && link === this.#certifierLink; ) {
      if (this.#tailKept) await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#stopped) return;
      try {
        const taken = await this.#rolling.take(rows.slice(from, from + length));
        for (const name of Object.keys(kept) as (keyof typeof kept)[]) kept[name] += taken[name];
        this.#storeFailing = false;
        from += length;
      } catch (error) {
        this.#storeFailing = true;
        this.#metrics.event('store-error');
        this.#report('error', 'tail-not-kept', { reason: nameOf(error) });
        await delay(tailRetry);
      }
    }
    const { refused, ...forward } = kept;
    if (refused > 0) this.#report('error', 'tail-rows-refused', { rows: refused });
    if (Object.values(forward).some((count) => count > 0)) {
      this.#metrics.event('rolled-forward');
      this.#report('warn', 'rolled-forward', forward);
      // An organization that locked for the want of these rows is loaded anew.
      if (this.#tailKept) this.#requestResync();
    }
    if (!(last || this.#rolling.isWhole) || this.#tailKept || link !== this.#certifierLink) return;
    this.#tailKept = true;
    this.#resyncWhenWhole();
  }

  // Signer

  signer(message: FromSigner): void {
    switch (message.type) {
      case 'made':
        this.#links.send('policy', { type: 'made', made: message.made });
        return;
      case 'noted':
        this.#links.send('policy', { type: 'noted', noted: message.noted });
        return;
      case 'answers':
        for (const answer of message.answers) this.#answer(this.#waiting.boundTo(answer.identity), answer);
        return;
      case 'walletKeys':
        this.#rewrapper.walletKeys(message);
        return;
      case 'rewrapped':
        this.#rewrapper.rewrapped(message.id, message.rows);
        return;
      case 'pong':
        return;
    }
  }

  // Answers

  /** A request whose stamp could not be read has no identity: its answer names zeros, and goes by ref alone. */
  #callersOf({ identity }: FinishedAnswer, refs: readonly number[]): Caller[] {
    if (identity.some((byte) => byte !== 0)) return this.#waiting.bind(identity, refs);
    return refs.map((ref) => this.#waiting.caller(ref)).filter((caller) => caller !== undefined);
  }

  #answer(callers: readonly Caller[], answer: FinishedAnswer): void {
    const ready = callers.filter((caller) => !caller.sending);
    const first = ready[0];
    if (first === undefined) return;
    const { status, body, signature } = answer;
    const submission = status === 200 ? submissionOf(first.request, body) : undefined;
    if (submission === undefined) {
      for (const { ref } of ready) this.#waiting.settle(ref, { status, body, signature });
      return;
    }
    for (const caller of ready) caller.sending = true;
    void this.#broadcaster.send(hex(answer.identity), submission).then(({ result, outcome }) => {
      for (const { ref } of ready) this.#waiting.settle(ref, { status, body, signature, submission: result });
      if (outcome !== undefined) this.#tellOutcome(signature, submission.network, outcome);
    });
  }

  /** The network's word becomes a later entry of the organization whose entry let it be signed. */
  #tellOutcome(signature: Uint8Array, network: string, outcome: Uint8Array): void {
    if (signature.length === 0) return;
    try {
      const { statement } = AnswerSignature.decode(signature);
      const { organization, position } = statement;
      this.#links.send('policy', { type: 'outcome', organization, position, network, outcome });
    } catch (error) {
      this.#report('error', 'outcome-untold', { reason: nameOf(error) });
    }
  }

  #failTickets(waiting: PolicyBatch['waiting']): void {
    for (const { identity, refs } of waiting) {
      this.#waiting.bind(identity, refs);
      for (const { ref, sending } of this.#waiting.boundTo(identity))
        if (!sending) this.#waiting.settle(ref, unavailable());
    }
  }

  #expire(): void {
    const now = performance.now();
    for (const [ref, left] of this.#underWay) {
      if (now - left < slotPatience) break;
      this.#underWay.delete(ref);
    }
    if (this.#line.size > 0) this.#schedule();
    this.#answersPerSecond = (this.#answersPerSecond * 3 + (this.#answers * 1000) / sweepInterval) / 4;
    this.#answers = 0;
    const expired = this.#waiting.expire(now - this.#patience);
    for (let i = 0; i < expired; i++) this.#metrics.event('timeout');
    for (const [name, { at }] of this.#ordered)
      if (now - at > this.#patience) {
        this.#ordered.delete(name);
        this.#orphaned.delete(name);
      }
  }

  // Streams

  opened(role: Role): void {
    if (role === 'certifier') {
      this.#certifierLink += 1;
      this.#tailKept = false;
      this.#rolling = new RollingForward(this.#store);
    }
    this.#resyncWhenWhole();
  }

  lost(role: Role): void {
    this.#waiting.fail(unavailable);
    this.#line.clear();
    this.#underWay.clear();
    if (role === 'certifier') {
      this.#certifierLink += 1;
      this.#tailKept = false;
      this.#ordered.clear();
      this.#orphaned.clear();
      if (this.#early !== undefined) this.#early = [];
    }
    if (role === 'signer') this.#rewrapper.stop();
    if (role === 'policy') {
      this.#queue = [];
      for (const name of this.#ordered.keys()) this.#orphaned.add(name);
    }
    // A signer that is gone took requests and secrets under way with it, for which the policy engine waits.
    this.#resyncOwed = true;
    this.#resyncWhenWhole();
  }

  #requestResync(): void {
    this.#resyncOwed = true;
    this.#resyncWhenWhole();
  }

  #resyncWhenWhole(): void {
    if (
      !this.#resyncOwed ||
      this.#rowsOwed ||
      !this.#tailKept ||
      !roles.every((role) => this.#links.isOpen(role))
    )
      return;
    this.#resyncOwed = false;
    this.#resyncs += 1;
    this.#resyncPing = this.#links.ping('policy');
    this.#metrics.event('resync');
    this.#report('warn', 'resync');
    this.#links.send('policy', { type: 'resync' });
  }

  #later(what: string, act: () => Promise<void>): void {
    act().catch((error: unknown) => {
      this.#report('error', what, { reason: nameOf(error) });
      if (error instanceof KmsError) return;
      this.#metrics.event('store-error');
      this.#requestResync();
    });
  }
}

/** Hexadecimal, as the answer states it; undefined when it states none. */
function organizationOf({ signature }: { readonly signature: Uint8Array }): string | undefined {
  if (signature.length === 0) return undefined;
  try {
    const { organization } = AnswerSignature.decode(signature).statement;
    return organization.some((byte) => byte !== 0) ? hex(organization) : undefined;
  } catch {
    return undefined;
  }
}

function hasRows(rows: ReturnType<typeof storeBatch>): boolean {
  return rows.entries.length + rows.nodes.length + rows.secrets.length + rows.owners.length > 0;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/**
 * Order, query and receipt begin with the 16 bytes that name the policy engine's start (receipt.ts): with them a
 * receipt for an ended engine never meets a batch of its successor that has the same number.
 */
function batchName(sealed: Sealed, batch: number): string {
  return `${hex(sealed.bytes.subarray(0, 16))} ${batch}`;
}
