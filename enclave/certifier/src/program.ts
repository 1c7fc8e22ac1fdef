import { base64urlEncode } from '@keystead/crypto/base64url';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { type Frontier, leafHash } from '@keystead/crypto/merkle-tree';
import type { Static } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { formatCheckpoint, type NoteSigner, noteSigner } from '@keystead/crypto/signed-note';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import type { EnclaveContext, Program } from '@keystead/enclave-runtime/program';
import { type Generations, isNewer } from '@keystead/enclave-runtime/wallet-keys';
import { domainHash } from '@keystead/protocol/domain';
import type { FromCertifier, Sealed, ToCertifier } from '@keystead/protocol/frames';
import { bytesOf, inParts } from '@keystead/protocol/kept-rows';
import { leafCommitment } from '@keystead/protocol/log-leaf';
import {
  AdvanceOrder,
  HeadAnswer,
  HeadQuery,
  type Inclusion,
  leafTypeBoot,
  Receipt,
  type ReceiptItem,
  ReceiptQuery,
} from '@keystead/protocol/receipt';
import { isUnconfirmed, judgeGroup, type OrganizationState } from './advance-rules.ts';
import {
  maximumRecordRows,
  type RecordBody,
  type RecordedAdvance,
  recordVersion,
} from '@keystead/protocol/heads-record';
import { headsKey, sealRecord } from './heads-record.ts';
import { type History, HeadsRefused, leavesOf, restore } from './history.ts';
import { AppendedLeaves } from './inclusion.ts';
import { keptRows } from './kept-rows.ts';
import { entriesOf, type RecentEntry } from './recent-entries.ts';

/** Records on their way to the keeper at one time. */
const maximumInFlight = 4;
/** A record takes no further order once it holds so many bytes of them. */
const recordBudgetBytes = 4 * 1024 * 1024;
/** Entries of one order, so that its receipt with proofs fits into a frame. */
const maximumOrderEntries = 8192;
/** Rows of one record; an order that has more writes them into records of their own, ahead of its own one. */
const recordRowBytes = 8 * 1024 * 1024;
/** Rows that are held for the next order. */
const maximumAheadBytes = 64 * 1024 * 1024;
const tailChunkBytes = 1024 * 1024;
const tailChunkRows = 4096;
const snapshotRecords = 512;
const snapshotRecordBytes = 8 * 1024 * 1024;
const snapshotMilliseconds = 60_000;
/** Orders that leave the gateway together, before it stores the rows of any of them, arrive within this time. */
const togetherMilliseconds = 1000;
/** A certifier that has nothing to record keeps a time mark this often, so that idle time is no jump of the clock. */
const markMilliseconds = 3_600_000;
/** Which part of the largest jump the clock may gain on the machine's monotonic clock while this runs. */
const gainPart = 24;

/** The name of the log and of its key in checkpoints (spec/receipt.md §6). */
export function checkpointOrigin(deploymentId: Uint8Array): string {
  return `keystead/${hexEncode(deploymentId)}/1`;
}

type Order = AdvanceOrder & { readonly rows: readonly Uint8Array[]; readonly bytes: number };

/** An order after judgement, waiting for its record to be durable. */
interface Judged {
  readonly boot: Uint8Array;
  readonly batch: number;
  readonly accepted: readonly RecordedAdvance[];
  readonly refused: Receipt['refused'];
  /** Index of its first leaf in the tree. */
  readonly firstLeaf: number;
}

/** What arrived, in its order: a query is answered when every order before it is judged and durable. */
type Asked =
  | { readonly kind: 'order'; readonly order: Order }
  | { readonly kind: 'query'; readonly query: Static<typeof ReceiptQuery> }
  | { readonly kind: 'head'; readonly query: Static<typeof HeadQuery> };

/** What is told in this order when one record is durable. */
type Told =
  | Exclude<Asked, { kind: 'order' }>
  | { readonly kind: 'judged'; readonly judged: Judged }
  | { readonly kind: 'generations'; readonly kept: () => void };

/** A record on its way to the keeper. */
interface InFlight {
  readonly told: Told[];
}

/**
 * The certifier (spec/receipt.md): moves heads by compare-and-set, keeps one durable record per turn, and answers
 * with receipts. It decides nothing but the fixed rules of advances and authority sets.
 *
 * `refuse` is called once when the heads log is not the one that this certifier wrote; by default the error is thrown
 * where nothing catches it, which ends the process.
 */
export function createCertifier(
  context: EnclaveContext,
  heads: HeadsPort,
  refuse: (error: Error) => void = (error) => {
    throw error;
  },
): Program<ToCertifier, FromCertifier> {
  const certifier = new Certifier(context, heads);
  heads.load().then((loaded) => {
    try {
      certifier.begin(loaded);
    } catch (error) {
      if (error instanceof ClockJumped) {
        // Whoever sets the clock cannot answer this, and starting again does not: only the operator's setting does.
        context.log('operator-needed', {
          reason: 'the clock is far ahead of the newest time mark',
          milliseconds: error.milliseconds,
          accept: `KEYSTEAD_ACCEPT_CLOCK=${new Date(error.mark).toISOString()}`,
        });
        return;
      }
      if (error instanceof HeadsRefused)
        context.log('heads-refused', { sequence: error.sequence, reason: error.reason });
      refuse(error as Error);
    }
  });
  return certifier;
}

/** Since the newest mark more time went by than the operator lets pass unasked. */
class ClockJumped extends Error {
  readonly mark: number;
  readonly milliseconds: number;

  constructor(mark: number, milliseconds: number) {
    super('the clock jumped');
    this.name = 'ClockJumped';
    this.mark = mark;
    this.milliseconds = milliseconds;
  }
}

class Certifier implements Program<ToCertifier, FromCertifier> {
  send: (message: FromCertifier) => void = () => {};
  readonly #context: EnclaveContext;
  readonly #heads: HeadsPort;
  readonly #key: SecretBytes;
  readonly #origin: string;
  readonly #sign: NoteSigner;
  /** Messages that came before the log was loaded. */
  readonly #early: ToCertifier[] = [];
  #asked: Asked[] = [];
  /** Rows of the next order that came ahead of it. */
  #rowsAhead: Uint8Array[] = [];
  #rowsAheadBytes = 0;
  #waitsForOperator = false;
  #isClockAhead = false;
  /** What both clocks said when this began. */
  readonly #begunAt: number;
  readonly #begunPassed: number;

  /** What is durable: only this is ever told. */
  #history: History | undefined;
  #checkpoint = '';

  /** What is durable or on its way: orders are judged against this. */
  readonly #ahead = new Map<string, OrganizationState & { readonly record: InFlight }>();
  readonly #aheadIdentities = new Map<string, InFlight>();
  readonly #inFlight: InFlight[] = [];
  #sequence = 0;
  #chain!: Uint8Array;
  #frontier!: Frontier;
  #mark = 0;
  #epoch = 0;
  #since = 0;
  /** Of the wallet key: durable once `#generationsKept` has resolved. */
  #generations: Generations = { newest: 0, oldest: 0 };
  #generationsKept: Promise<boolean> = Promise.resolve(true);

  #snapshotting = false;
  /** Whether an order moved a head that left the gateway after all that the snapshot covers. */
  #moved = false;
  /** Orders from then on did so, by `passed` of the context. */
  #laterFrom = 0;
  #snapshotSequence = 0;
  #snapshotTime = 0;
  #snapshotBytes = 0;
  /** Bytes of the records since the snapshot. */
  #recordBytes = 0;
  #appends = 0;
  readonly #refused = new Map<string, number>();

  constructor(context: EnclaveContext, heads: HeadsPort) {
    this.#context = context;
    this.#heads = heads;
    this.#begunAt = context.clock();
    this.#begunPassed = context.passed();
    this.#key = headsKey(context.seed);
    this.#origin = checkpointOrigin(context.deploymentId);
    this.#sign = noteSigner(this.#origin, context.signSeed.expose());
  }

  /** Takes over the loaded log, gives the gateway its tail, and makes this start part of history. */
  begin(loaded: Awaited<ReturnType<HeadsPort['load']>>): void {
    const { history, rows } = restore(loaded, this.#key, this.#context.deploymentId);
    if (history.roleGeneration > this.#context.roleGeneration)
      throw new HeadsRefused(history.sequence, 'knows newer keys of the roles than the genesis records');
    this.#assertClock(history.mark);
    this.#history = history;
    this.#sequence = history.sequence;
    this.#chain = history.chain;
    this.#frontier = history.frontier;
    this.#mark = history.mark;
    this.#generations = history.generations;
    this.#snapshotSequence = loaded.snapshotSequence;
    this.#snapshotBytes = loaded.snapshot?.length ?? 0;
    this.#recordBytes = loaded.records.reduce(
      (sum, { sequence, record }) => sum + (sequence > loaded.snapshotSequence ? record.length : 0),
      0,
    );
    this.#snapshotTime = this.#now();
    this.#checkpoint = this.#checkpointOf(history.frontier.size, history.root);
    const behind = history.mark - this.#context.clock();
    if (behind > 0) this.#context.log('clock-behind-mark', { milliseconds: behind });
    this.#context.log('heads-loaded', {
      sequence: history.sequence,
      organizations: history.organizations,
      size: history.frontier.size,
    });
    this.#sendTail(rows);
    const { reanchorEpoch } = this.#context.settings;
    const begins = reanchorEpoch > history.epoch ? reanchorEpoch : undefined;
    this.#epoch = begins ?? history.epoch;
    this.#since = begins === undefined ? history.since : this.#now();
    if (begins !== undefined)
      this.#context.log('reanchored', { epoch: begins, organizations: history.organizations });
    const { roleGeneration } = this.#context;
    this.#append({ told: [] }, [], this.#bootLeaf(), [], {
      epoch: begins,
      roleGeneration: roleGeneration > history.roleGeneration ? roleGeneration : undefined,
    });
    for (const message of this.#early.splice(0)) this.receive(message);
    this.turn();
  }

  /** Marks only go forward: a clock that was set ahead would make keys expire and spent limits free for good. */
  #assertClock(mark: number): void {
    const { largestClockJump, acceptedMark } = this.#context.settings;
    const jump = this.#context.clock() - mark;
    if (mark === 0 || largestClockJump === 0 || jump <= largestClockJump || acceptedMark === mark) return;
    this.#waitsForOperator = true;
    this.#early.length = 0;
    throw new ClockJumped(mark, jump);
  }

  /**
   * Sees whether the clock has gained more on the time that passed than a clock may. Windows of limits would pass by, and
   * no mark takes that back: nothing becomes history until it is right again.
   */
  #watchClock(): void {
    const { largestClockJump } = this.#context.settings;
    if (largestClockJump === 0) return;
    const gained = this.#context.clock() - this.#begunAt - (this.#context.passed() - this.#begunPassed);
    const isAhead = gained > largestClockJump / gainPart;
    if (isAhead && !this.#isClockAhead)
      this.#context.log('operator-needed', {
        reason: 'the clock is far ahead of the time that has passed',
        milliseconds: Math.round(gained),
        accept: 'set the clock right, or start the deployment again',
      });
    this.#isClockAhead = isAhead;
  }

  receive(message: ToCertifier): void {
    if (this.#waitsForOperator) return;
    if (this.#history === undefined) {
      this.#early.push(message);
      return;
    }
    switch (message.type) {
      case 'advance':
        this.#opened('advance-order', message.order, (bytes) => {
          const order = AdvanceOrder.decodeShared(bytes);
          const rows = this.#rowsAhead.length === 0 ? message.rows : [...this.#rowsAhead, ...message.rows];
          this.#rowsAhead = [];
          this.#rowsAheadBytes = 0;
          this.#asked.push({
            kind: 'order',
            order: { ...order, rows, bytes: bytes.length + bytesOf(rows) },
          });
        });
        return;
      case 'rows': {
        const size = this.#rowsAheadBytes + bytesOf(message.rows);
        if (size > maximumAheadBytes) {
          this.#context.log('rows-not-kept', { rows: message.rows.length });
          return;
        }
        this.#rowsAhead = [...this.#rowsAhead, ...message.rows];
        this.#rowsAheadBytes = size;
        return;
      }
      case 'query':
        this.#opened('receipt-query', message.query, (bytes) =>
          this.#asked.push({ kind: 'query', query: ReceiptQuery.decode(bytes) }),
        );
        return;
      case 'queryHead':
        this.#opened('head-query', message.query, (bytes) =>
          this.#asked.push({ kind: 'head', query: HeadQuery.decode(bytes) }),
        );
        return;
      case 'ping':
        this.send({ type: 'pong', id: message.id, metrics: utf8Encode(JSON.stringify(this.#metrics())) });
        return;
    }
  }

  /**
   * Judges what came and appends it, as far as the keeper keeps up; the rest follows when a record is durable. A query
   * passes no order: who reads a head or a receipt has to see what every order before the question came to.
   */
  turn(): void {
    if (this.#history === undefined) return;
    this.#watchClock();
    if (
      this.#asked.length === 0 &&
      !this.#isClockAhead &&
      this.#context.clock() - this.#mark >= markMilliseconds
    )
      this.#append({ told: [] }, [], undefined, []);
    while (this.#asked.length > 0) {
      if (this.#asked[0]!.kind === 'order' && this.#inFlight.length >= maximumInFlight) return;
      const told: Told[] = [];
      const record: InFlight = { told };
      const accepted: RecordedAdvance[] = [];
      let rows: Uint8Array[] = [];
      let taken = 0;
      let orders = 0;
      let bytes = 0;
      let leaf = this.#frontier.size;
      for (const asked of this.#asked) {
        if (asked.kind === 'order') {
          const { order } = asked;
          const isRoom = this.#inFlight.length < maximumInFlight;
          if (!isRoom || (orders > 0 && bytes + order.bytes > recordBudgetBytes)) break;
          const judged = this.#judge(order, record, leaf);
          told.push({ kind: 'judged', judged });
          accepted.push(...judged.accepted);
          leaf += entryCount(judged.accepted);
          rows = rows.concat(keptRows(order.rows, judged.accepted));
          orders += 1;
          bytes += order.bytes;
        } else told.push(asked);
        taken += 1;
      }
      this.#asked = this.#asked.slice(taken);
      if (accepted.length > 0) this.#appendAll(record, accepted, rows);
      else if (this.#inFlight.length > 0) this.#inFlight.at(-1)!.told.push(...told);
      else for (const each of told) this.#tell(each, undefined);
    }
  }

  recordGenerations(stated: Generations): Promise<boolean> | undefined {
    if (this.#history === undefined) return undefined;
    const known = this.#generations;
    if (isNewer(known, stated)) {
      this.#context.log('generations-rolled-back', { ...stated, newestKnown: known.newest });
      return Promise.resolve(false);
    }
    if (isNewer(stated, known)) {
      this.#generations = stated;
      this.#generationsKept = new Promise((resolve) => {
        const told: Told[] = [{ kind: 'generations', kept: () => resolve(true) }];
        this.#append({ told }, [], undefined, [], { generations: stated });
      });
    }
    return this.#generationsKept;
  }

  /** The certifier's time never goes back: the later of its clock and the newest mark. A clock that is ahead tells none. */
  #now(): number {
    if (this.#isClockAhead) return this.#mark;
    return Math.max(this.#context.clock(), this.#mark);
  }

  /** Opens a message of the policy engine. A forged or malformed one is logged and gets no answer. */
  #opened(
    kind: 'advance-order' | 'receipt-query' | 'head-query',
    sealed: Sealed,
    use: (bytes: Uint8Array) => void,
  ): void {
    let bytes: Uint8Array;
    try {
      bytes = this.#context.open('policy-to-certifier', kind, sealed);
    } catch {
      this.#count('frame-forged');
      this.#context.log('message-refused', { kind, code: 'frame-forged' });
      return;
    }
    try {
      use(bytes);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'CryptoError') throw error;
      this.#count('frame-malformed');
      this.#context.log('message-refused', { kind, code: 'frame-malformed' });
    }
  }

  #judge(order: Order, record: InFlight, firstLeaf: number): Judged {
    const accepted: RecordedAdvance[] = [];
    const refused = new Map<string, Receipt['refused'][number]>();
    const history = this.#history!;
    const now = this.#now();
    const isTooLarge =
      order.groups.reduce((sum, group) => sum + group.reduce((n, { entries }) => n + entries.length, 0), 0) >
      maximumOrderEntries;
    const { settings } = this.#context;
    for (const group of order.groups) {
      const verdict = isTooLarge
        ? { refused: 'order-too-large' }
        : this.#isClockAhead
          ? { refused: 'clock-ahead' }
          : judgeGroup(group, {
              deploymentId: this.#context.deploymentId,
              now,
              mark: this.#mark,
              epoch: this.#epoch,
              since: this.#since,
              stateOf: (organization) =>
                this.#ahead.get(hexEncode(organization)) ?? history.stateOf(organization),
              wasUsed: (identity) =>
                this.#aheadIdentities.has(hexEncode(identity)) || history.wasUsed(identity),
              mayFound: (publicKey) =>
                settings.organizationCreation === 'open' ||
                settings.operatorKeys.includes(base64urlEncode(publicKey)),
            });
      if ('refused' in verdict) {
        this.#count(verdict.refused);
        for (const { organization } of group)
          refused.set(hexEncode(organization), { organization, code: verdict.refused });
        continue;
      }
      for (const advance of verdict.accepted) {
        const { organization, to, time, identity } = advance;
        this.#ahead.set(hexEncode(organization), { head: to, time, epoch: this.#epoch, record });
        if (identity !== undefined) this.#aheadIdentities.set(hexEncode(identity), record);
        accepted.push(advance);
      }
    }
    // More than a list holds can only be an order that the policy engine never makes.
    const listed = [...refused.values()].slice(0, 4096);
    return { boot: order.boot, batch: order.batch, accepted, refused: listed, firstLeaf };
  }

  /** The record, after those that hold the rows for which it has no room. */
  #appendAll(record: InFlight, advances: RecordedAdvance[], rows: readonly Uint8Array[]): void {
    const parts = inParts(rows, recordRowBytes, maximumRecordRows);
    for (const part of parts.slice(0, -1)) this.#append({ told: [] }, [], undefined, part);
    this.#append(record, advances, undefined, parts.at(-1)!);
  }

  /** One record: everything that it holds is told when the keeper has it, and nothing before. */
  #append(
    inFlight: InFlight,
    advances: RecordedAdvance[],
    boot: Uint8Array | undefined,
    rows: Uint8Array[],
    {
      epoch,
      generations,
      roleGeneration,
    }: Pick<Partial<RecordBody>, 'epoch' | 'generations' | 'roleGeneration'> = {},
  ): void {
    const leaves = leavesOf({ boot, advances });
    const tree = new AppendedLeaves(this.#frontier, leaves.map(leafHash));
    const body: RecordBody = {
      version: recordVersion,
      deployment: this.#context.deploymentId,
      sequence: this.#sequence + 1,
      previous: this.#chain,
      time: this.#now(),
      boot,
      epoch,
      generations,
      roleGeneration,
      advances,
      size: tree.after.size,
      root: tree.root,
      rows,
    };
    const sealed = sealRecord(this.#key, body);
    this.#inFlight.push(inFlight);
    this.#sequence = body.sequence;
    this.#chain = sealed.mac;
    this.#frontier = tree.after;
    this.#mark = body.time;
    this.#recordBytes += sealed.bytes.length;
    let checkpoint: string | undefined;
    const signed = () => (checkpoint ??= this.#checkpointOf(tree.after.size, tree.root));
    const begun = this.#context.passed();
    this.#heads.append(body.sequence, sealed.bytes).then(() => {
      this.#moved ||= advances.length > 0 && begun >= this.#laterFrom;
      this.#durable(inFlight, body, sealed.mac, tree, signed());
    });
    // When the record has left: while the keeper writes there is time to sign. Nobody gets to see it before the record is durable.
    void Promise.resolve().then(signed);
  }

  #durable(
    inFlight: InFlight,
    body: RecordBody,
    mac: Uint8Array,
    tree: AppendedLeaves,
    checkpoint: string,
  ): void {
    const history = this.#history!;
    this.#inFlight.shift();
    history.apply(body, mac, tree.after);
    this.#appends += 1;
    for (const [name, { record }] of this.#ahead) if (record === inFlight) this.#ahead.delete(name);
    for (const [name, record] of this.#aheadIdentities)
      if (record === inFlight) this.#aheadIdentities.delete(name);
    this.#checkpoint = checkpoint;
    for (const told of inFlight.told) this.#tell(told, tree);
    this.#snapshotWhenDue();
    this.turn();
  }

  #tell(told: Told, tree: AppendedLeaves | undefined): void {
    if (told.kind === 'judged') this.#answerOrder(told.judged, tree);
    else if (told.kind === 'generations') told.kept();
    else if (told.kind === 'query') this.#answerQuery(told.query);
    else this.#answerHead(told.query);
  }

  #answerOrder(judged: Judged, tree: AppendedLeaves | undefined): void {
    const entries = entriesOf({ advances: [...judged.accepted] });
    this.#sendReceipt(
      judged,
      entries,
      judged.refused,
      entries.map(({ organization, position }, index) => {
        const leaf = judged.firstLeaf + index;
        return { organization, position, index: leaf, proof: tree!.proof(leaf) };
      }),
    );
  }

  #answerQuery(query: Static<typeof ReceiptQuery>): void {
    const found: RecentEntry[] = [];
    const refused = new Map<string, Receipt['refused'][number]>();
    const now = this.#now();
    for (const item of query.items) {
      const entry = this.#history!.recent.find(item, now);
      if (entry !== undefined) found.push(entry);
      else refused.set(hexEncode(item.organization), { organization: item.organization, code: 'not-recent' });
    }
    this.#sendReceipt(query, found, [...refused.values()], []);
  }

  #sendReceipt(
    { boot, batch }: { readonly boot: Uint8Array; readonly batch: number },
    entries: readonly RecentEntry[],
    refused: Receipt['refused'],
    inclusions: Inclusion[],
  ): void {
    const history = this.#history!;
    const items = entries.map(
      (entry): ReceiptItem => ({ ...entry, head: history.stateOf(entry.organization)!.head }),
    );
    const receipt = Receipt.encode({
      boot,
      batch,
      time: this.#now(),
      size: history.frontier.size,
      root: history.root,
      items,
      refused,
    });
    this.send({
      type: 'receipt',
      batch,
      forPolicy: this.#context.seal('certifier-to-policy', 'receipt', receipt),
      forSigner: this.#context.seal('certifier-to-signer', 'receipt', receipt),
      checkpoint: this.#checkpoint,
      inclusions,
    });
  }

  #answerHead(query: Static<typeof HeadQuery>): void {
    const known = this.#history!.stateOf(query.organization);
    const answer = HeadAnswer.encode({
      ...query,
      head: known?.head,
      time: this.#now(),
      // Of an organization that the log does not know, only the store can say whether it has a chain.
      unconfirmed: isUnconfirmed(known, 1, this.#epoch),
      since: this.#since,
    });
    this.send({ type: 'head', answer: this.#context.seal('certifier-to-policy', 'head-answer', answer) });
  }

  #checkpointOf(size: number, root: Uint8Array): string {
    const text = formatCheckpoint({ origin: this.#origin, size, root });
    return `${text}\n${this.#sign(text)}`;
  }

  #sendTail(rows: readonly Uint8Array[]): void {
    const parts = inParts(rows, tailChunkBytes, tailChunkRows);
    for (const [index, part] of parts.entries())
      this.send({ type: 'tail', rows: part, last: index === parts.length - 1 });
  }

  /** A start of the certifier stands in the public log; only the opening, which is dropped, would tell which. */
  #bootLeaf(): Uint8Array {
    const { boot, deploymentId, measurement, random } = this.#context;
    const start = domainHash('keystead/certifier-start/v1', deploymentId, boot, measurement);
    return concatBytes(new Uint8Array([leafTypeBoot]), random(32), leafCommitment(random(16), start));
  }

  #snapshotWhenDue(): void {
    const history = this.#history!;
    const records = history.sequence - this.#snapshotSequence;
    const now = this.#context.clock();
    const { organizations } = history;
    // A snapshot holds every head, so a large table is written less often.
    const isDue =
      records >= Math.max(snapshotRecords, organizations / 64) ||
      this.#recordBytes >= Math.max(snapshotRecordBytes, 2 * this.#snapshotBytes) ||
      (now - this.#snapshotTime >= snapshotMilliseconds && records >= organizations / 1024);
    // Each snapshot lets the keeper drop older records. The newest rows may be in the store only later: they stay until more follow
    // that the gateway has not sent before it had stored them.
    if (this.#snapshotting || !this.#moved || !isDue) return;
    this.#snapshotting = true;
    this.#moved = false;
    this.#laterFrom = this.#context.passed() + togetherMilliseconds;
    this.#snapshotSequence = history.sequence;
    this.#snapshotTime = now;
    this.#recordBytes = 0;
    const snapshot = history.snapshot(this.#key);
    this.#snapshotBytes = snapshot.length;
    this.#heads.snapshot(history.sequence, snapshot).then(() => {
      this.#snapshotting = false;
    });
  }

  #count(code: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  #metrics() {
    const { organizations, frontier } = this.#history!;
    return {
      organizations,
      size: frontier.size,
      appends: this.#appends,
      refused: Object.fromEntries(this.#refused),
    };
  }
}

function entryCount(advances: readonly RecordedAdvance[]): number {
  return advances.reduce((sum, { entries }) => sum + entries.length, 0);
}
