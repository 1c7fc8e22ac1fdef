import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { hexEncode } from '@keystead/crypto/hex';
import { mapNodeHash } from '@keystead/crypto/merkle-map';
import type { JsonValue } from '@keystead/crypto/strict-json';
import type { EnclaveContext, Program } from '@keystead/enclave-runtime/program';
import { maximumAnswerBytes } from '@keystead/protocol/answer';
import { authenticate, type Caller } from '@keystead/protocol/authenticate';
import { assertWithinBounds } from '@keystead/protocol/authority-change/who-may';
import { type Entry, outcomeAllow, zeroHash } from '@keystead/protocol/entry';
import { KmsError } from '@keystead/protocol/errors';
import type { FromPolicy, Sealed, ToPolicy } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';
import {
  AdvanceOrder,
  HeadAnswer,
  Noted,
  Receipt,
  type ReceiptItem,
  ReceiptQuery,
} from '@keystead/protocol/receipt';
import { assertFresh, verifySelfStamp } from '@keystead/protocol/stamp';
import { Made, Make } from '@keystead/protocol/ticket';
import { Answers, type StatedAnswer } from './answers.ts';
import { arrived } from './arrival.ts';
import { Batch, type HeldAnswer, type HeldTicket } from './batch.ts';
import type { Decided } from './decided.ts';
import { DecidedRequests } from './decided-requests.ts';
import { assertConfirmed, assertStampedSince, confirmed } from './confirmation.ts';
import { decideRequest } from './decision.ts';
import { Draft } from './draft.ts';
import { Foundings } from './foundings.ts';
import { madeResult } from './made.ts';
import { inMessages, noRows, nodesAhead, ticketFields } from './messages.ts';
import { readMethods } from './method-dispatch.ts';
import { type KnownEntry, locked, type Organization } from './organization.ts';
import { Organizations } from './organizations.ts';
import { buildOutcome } from './outcome.ts';
import { NeedMade, NeedOrganization, NeedOwner, type Pending } from './pending.ts';
import { applyPolicy } from './policy-decision.ts';
import { Rates } from './rates.ts';
import { queryName, RowQueries } from './row-queries.ts';
import { storedEntry } from './stored-entry.ts';
import { NeedRows, NodeCache } from './rows.ts';
import { withAllowance } from './allowance.ts';
import { type OwnerEntry, plannedTicket, repeatedTicket } from './tickets.ts';

type BatchMessage = Extract<FromPolicy, { type: 'batch' }>;

/** Bytes of memory for the nodes of authority and state maps. */
const bytesOfNodes = 50_331_648;
/** A request that waits longer than this for a row or a secret is given up. */
const patienceMilliseconds = 8_000;
const maximumRestarts = 256;
/** Callers that one decision answers. */
const maximumRefs = 1024;
/** A batch that is out: what leaves, or is given up, when its receipt comes. Its rows and tickets are gone with their frame. */
interface Outstanding {
  /** Those whose tail it carries; null when it moves no head. */
  readonly organizations: Batch['organizations'] | null;
  readonly answers: readonly HeldAnswer[];
}

interface Repeat {
  readonly known: KnownEntry;
  readonly other: OwnerEntry | null;
  readonly pending: Pending;
  readonly organization: Organization;
}

/**
 * The policy engine (spec/entry.md): verifies stamps, decides, and writes entries on a speculative tail. Nothing that
 * it decides leaves before the certifier's receipt.
 */
export function createPolicyEngine(context: EnclaveContext): Program<ToPolicy, FromPolicy> {
  return new PolicyEngine(context);
}

class PolicyEngine implements Program<ToPolicy, FromPolicy> {
  send: (message: FromPolicy) => void = () => {};
  readonly #context: EnclaveContext;
  readonly #nodes: NodeCache;
  readonly #requests: DecidedRequests;
  readonly #foundings: Foundings;
  readonly #rates: Rates;
  readonly #rowQueries: RowQueries;
  readonly #organizations: Organizations;
  readonly #answers: Answers;
  /** Requests whose secret the signer is making, by identity. */
  readonly #making = new Map<string, Set<Pending>>();
  /** Requests that are put aside for a row, an organization or a secret: identical bytes and stamps join them. */
  readonly #parked = new Map<string, Pending>();
  /** Repeats of requests whose decision is not certified yet. */
  readonly #afterReceipt = new Map<string, Pending>();
  readonly #outstanding = new Map<number, Outstanding>();
  #repeats: Repeat[] = [];
  #queue: Pending[] = [];
  #batch: Batch;
  #nextBatch = 1;
  #mark = 0;
  readonly #counters = {
    requests: 0,
    decisions: 0,
    denials: 0,
    reads: 0,
    repeats: 0,
    resyncs: 0,
    forged: 0,
  };

  constructor(context: EnclaveContext) {
    this.#context = context;
    this.#nodes = new NodeCache(bytesOfNodes, seedOf(context.random(4)));
    this.#requests = new DecidedRequests(context.random);
    this.#foundings = new Foundings(context.settings);
    this.#rates = new Rates(context.settings);
    this.#answers = new Answers(context);
    const send = (message: FromPolicy) => this.send(message);
    this.#rowQueries = new RowQueries(send, context.clock);
    this.#organizations = new Organizations({
      context,
      nodes: this.#nodes,
      requests: this.#requests,
      rowQueries: this.#rowQueries,
      send,
      resume: (pending) => this.#resume(pending),
    });
    this.#batch = new Batch(this.#nextBatch++);
  }

  /** The later of the clock and the newest time mark of the certifier. */
  #now(): number {
    return Math.max(this.#context.clock(), this.#mark);
  }

  receive(message: ToPolicy): void {
    switch (message.type) {
      case 'requests':
        for (const item of message.items) this.#arrive(item.ref, item.request);
        return;
      case 'receipt':
        this.#opened('certifier-to-policy', 'receipt', message.receipt, (bytes) =>
          this.#receipt(Receipt.decode(bytes)),
        );
        return;
      case 'head':
        this.#opened('certifier-to-policy', 'head-answer', message.answer, (bytes) =>
          this.#head(HeadAnswer.decode(bytes)),
        );
        return;
      case 'made':
        this.#opened('signer-to-policy', 'made', message.made, (bytes) => this.#made(Made.decode(bytes)));
        return;
      case 'noted':
        this.#opened('signer-to-policy', 'noted', message.noted, (bytes) => this.#noted(Noted.decode(bytes)));
        return;
      case 'rows':
        for (const answer of message.answers) this.#rows(answer.id, answer.rows);
        return;
      case 'outcome':
        this.#outcome(message);
        return;
      case 'resync':
        this.#resync();
        return;
      case 'ping':
        this.send({ type: 'pong', id: message.id, metrics: utf8Encode(JSON.stringify(this.#metrics())) });
        return;
    }
  }

  /**
   * Opens what certifier or signer wrote. A message without their MAC is dropped, as the host could have dropped a real
   * one: it costs the service nothing. What they did write and cannot be read ends the process.
   */
  #opened(
    edge: 'certifier-to-policy' | 'signer-to-policy',
    kind: 'receipt' | 'head-answer' | 'made' | 'noted',
    sealed: Sealed,
    use: (bytes: Uint8Array) => void,
  ): void {
    let bytes: Uint8Array;
    try {
      bytes = this.#context.open(edge, kind, sealed);
    } catch {
      this.#counters.forged += 1;
      this.#context.log('message-refused', { kind, code: 'frame-forged' });
      return;
    }
    use(bytes);
  }

  turn(): void {
    this.#drain();
    this.#giveUpLate();
    this.#closeBatch();
    this.#closeRepeats();
    this.#answers.releaseReads(
      (batch) => this.#outstanding.has(batch),
      (organization) => this.#organizations.isCurrent(organization),
      this.#now(),
    );
    this.#answers.releaseOldFences(this.#context.clock());
    this.#answers.flush(this.send);
    this.#organizations.forgetAbsent();
    this.#requests.forgetBefore(this.#now());
    this.#nodes.forgetReplaced();
  }

  // Requests

  #arrive(ref: number, encoded: Uint8Array): void {
    this.#counters.requests += 1;
    try {
      this.#queue.push(arrived(this.#context, ref, encoded, this.#now()));
    } catch (thrown) {
      this.#answers.refuse([ref], zeroHash, thrown);
    }
  }

  #drain(): void {
    while (this.#queue.length > 0) {
      const queue = this.#queue;
      this.#queue = [];
      for (const pending of queue) this.#process(pending);
    }
  }

  #process(pending: Pending): void {
    if (pending.refs.length === 0) return;
    const waiting = this.#parked.size === 0 ? undefined : this.#parked.get(parkedAs(pending));
    if (waiting !== undefined && waiting !== pending) {
      this.#join(waiting, pending);
      return;
    }
    if (waiting !== undefined) this.#parked.delete(parkedAs(pending));
    try {
      this.#handle(pending, this.#organizations.of(pending.organization));
    } catch (thrown) {
      this.#interrupted(pending, thrown);
    }
  }

  /** Both are the same request under a stamp of the same worth. */
  #join(waiting: Pending, pending: Pending): void {
    if (waiting.refs.length + pending.refs.length > maximumRefs)
      this.#answers.refuse(pending.refs, pending.identity, new KmsError('overloaded', {}));
    else waiting.refs.push(...pending.refs);
  }

  #interrupted(pending: Pending, thrown: unknown): void {
    const park = () => this.#parked.set(parkedAs(pending), pending);
    pending.restarts += 1;
    if (pending.restarts > maximumRestarts) {
      this.#answers.refuse(pending.refs, pending.identity, new KmsError('unavailable', {}));
    } else if (thrown instanceof NeedOrganization) {
      park();
      this.#organizations.load(thrown.id, pending);
    } else if (thrown instanceof NeedRows) {
      park();
      this.#rowQueries.ask(thrown.queries, pending, null);
    } else if (thrown instanceof NeedOwner) {
      park();
      this.#rowQueries.ask([{ kind: 'ownerOf', walletId: thrown.walletId }], pending, null);
    } else if (thrown instanceof NeedMade) {
      park();
      const making = this.#making.get(pending.identityHex);
      if (making !== undefined) {
        making.add(pending);
        return;
      }
      this.#making.set(pending.identityHex, new Set([pending]));
      const make = Make.encode({ ...thrown.make, boot: this.#context.boot });
      this.send({
        type: 'make',
        make: this.#context.seal('policy-to-signer', 'make', make),
        secret: thrown.make.secret,
      });
    } else {
      this.#answers.refuse(pending.refs, pending.identity, thrown);
    }
  }

  #handle(pending: Pending, organization: Organization): void {
    const { request, stamp, raw } = pending;
    // The entry's time: whatever holds for the decision has to hold then.
    const now = Math.max(this.#now(), organization.tailTime);
    const founding = request.method === 'createOrganization';
    if (!organization.exists && !founding) throw this.#absence(organization);
    this.#assertNotBehind(pending, organization);
    assertStampedSince(pending, this.#organizations.since);

    let caller: Caller | null = null;
    if (organization.exists) {
      const { selfVerified } = pending;
      caller = authenticate((key) => organization.leaf(key), stamp, raw.body, now, selfVerified);
      // What a passkey signs is judged by its leaf too.
      if (!stamp.webauthn) pending.selfVerified = true;
    } else if (!verifySelfStamp(stamp, raw.body)) throw new KmsError('stamp-invalid', {});

    if (caller !== null) this.#rates.take(pending, caller, now);
    if (request.kind === 'read') {
      if (caller === null) throw new KmsError('authenticator-unknown', {});
      this.#read(pending, organization, caller, now);
      return;
    }
    assertConfirmed(pending, organization, caller);
    const decidedAt = organization.exists ? organization.decidedAt(pending.identity, now) : undefined;
    if (decidedAt !== undefined) {
      this.#repeat(pending, organization, decidedAt);
      return;
    }
    this.#assertStillFresh(pending, now);
    this.#requests.assertRoom();
    if (!organization.exists) this.#foundings.assertMayFound(pending);
    const decided = decideRequest(
      {
        deploymentId: this.#context.deploymentId,
        organizationOf: (id) => confirmed(this.#organizations.of(id)),
      },
      pending,
      organization,
      caller,
      now,
    );
    // Its nodes can be read from now on, before the store has them: for its ticket, and by what builds on it.
    this.#keepNodes(decided);
    const [own] = decided.entries;
    const ticket =
      decided.ticket === null
        ? null
        : withAllowance(this.#context, pending, own.known, plannedTicket(pending, decided, caller!));
    this.#counters.decisions += 1;
    const { entry } = own.known;
    if (entry.decision.outcome !== outcomeAllow) this.#counters.denials += 1;
    if (founding) this.#foundings.note(pending);
    this.#batch.add(decided);
    if (ticket !== null) this.#batch.addTicket(ticket);
    else
      this.#batch.answers.push({
        refs: pending.refs,
        identity: pending.identity,
        organization,
        status: decided.status,
        body: entry.result,
        position: entry.position,
        hash: own.known.hash,
        time: entry.time,
        narrows: own.floor === entry.position,
      });
    if (this.#batch.isFull) this.#closeBatch();
  }

  #keepNodes({ entries }: Decided): void {
    for (const { nodes, replaced } of entries) {
      for (const { hash, bytes } of nodes) this.#nodes.put(hash, bytes);
      this.#nodes.replace(replaced);
    }
  }

  /** Certifier and signer hold the stamp against the entry's time; an entry that they refuse would be final for nothing. */
  #assertStillFresh({ stamp, request }: Pending, time: number): void {
    try {
      assertFresh(stamp, request.timestampMs, time);
    } catch {
      throw new KmsError('request-expired-before-commit', {});
    }
  }

  /** Why a request to an organization without history is refused. */
  #absence({ id, hasEntriesWithoutHead }: Organization): KmsError {
    if (!hasEntriesWithoutHead) return new KmsError('authenticator-unknown', {});
    this.#context.log('organization-without-head', { organization: formatUuid(id) });
    return locked('the heads log does not know it, although the store has its entries');
  }

  /** A client that knows a newer end of the chain than this engine is a witness of a rollback. */
  #assertNotBehind(pending: Pending, organization: Organization): void {
    const seen = pending.stamp.kind === 'native' ? pending.stamp.seen : null;
    if (seen === null || !equalBytes(seen.organization, organization.id)) return;
    if (seen.position > organization.tail.position) throw new KmsError('state-rolled-back', {});
    const hash = organization.hashAt(seen.position);
    if (hash !== undefined && !equalBytes(hash, seen.hash)) throw new KmsError('state-rolled-back', {});
  }

  #read(pending: Pending, organization: Organization, caller: Caller, now: number): void {
    const state = new Draft(organization);
    assertWithinBounds(caller, pending.request);
    applyPolicy(pending, state, caller, null, now);
    const method = readMethods[pending.request.method] as ((context: unknown) => unknown) | undefined;
    if (method === undefined) throw new KmsError('internal', {});
    const shown = new Set([organization]);
    const result = method({
      request: pending.request,
      pending,
      state,
      caller,
      organizationId: pending.organizationId,
      time: now,
      organizationOf: (id: Uint8Array) => {
        const other = this.#organizations.of(id);
        shown.add(other);
        return other;
      },
    });
    const body = utf8Encode(canonicalize(result as JsonValue));
    if (body.length > maximumAnswerBytes)
      throw new KmsError('request-too-large', {
        detail: 'its answer would be larger than one answer can be',
        hint: 'Ask for less at a time, such as by `limit` or for one subject.',
      });
    this.#counters.reads += 1;
    this.#answers.read({
      refs: pending.refs,
      identity: pending.identity,
      organization,
      shown,
      status: 200,
      body,
      position: organization.tail.position,
      hash: organization.tail.hash,
      // Receipts come in the order of the batches.
      afterBatch: Math.max(
        ...[...shown].map(({ certified, tail, tailBatch }) =>
          certified.position === tail.position ? 0 : tailBatch,
        ),
      ),
    });
  }

  /** The first decision is final: the same request gets the same entry again, once it is history. */
  #repeat(pending: Pending, organization: Organization, position: number): void {
    if (position > organization.certified.position) {
      const waiting = this.#afterReceipt.get(pending.identityHex);
      if (waiting === undefined) this.#afterReceipt.set(pending.identityHex, pending);
      else this.#join(waiting, pending);
      return;
    }
    const known = storedEntry(pending, organization, position, pending.identity);
    const other = this.#ownerEntryOf(known, pending);
    this.#counters.repeats += 1;
    this.#repeats.push({ known, other, pending, organization });
  }

  // Waiting

  #resume(pending: Pending): void {
    const name = parkedAs(pending);
    if (this.#parked.get(name) === pending) this.#parked.delete(name);
    this.#queue.push(pending);
  }

  /** Ends a wait without a decision. */
  #giveUp(pending: Pending, error: KmsError): void {
    const name = parkedAs(pending);
    if (this.#parked.get(name) === pending) this.#parked.delete(name);
    this.#answers.refuse(pending.refs, pending.identity, error);
    pending.refs.length = 0;
  }

  // Rows

  #rows(id: number, rows: readonly Uint8Array[]): void {
    const asked = this.#rowQueries.answered(id);
    if (asked === undefined) return;
    const { query, waiting, loading } = asked;
    if (loading !== null) {
      this.#organizations.rowsKnown(loading, query, rows);
      return;
    }
    for (const pending of waiting) {
      if (query.kind === 'node') {
        if (rows.length !== 1 || !equalBytes(mapNodeHash(rows[0]), query.hash)) {
          this.#giveUp(pending, locked('a node of its state is missing from the store'));
          continue;
        }
        this.#nodes.put(query.hash, rows[0]);
      } else if (query.kind === 'ownerOf') {
        pending.owner = rows.length === 1 && rows[0].length === 16 ? rows[0] : null;
      } else if (query.kind === 'entries') {
        if (rows.length !== 1) {
          this.#giveUp(pending, locked('an entry is missing from the store'));
          continue;
        }
        pending.rows ??= new Map();
        pending.rows.set(queryName(query), rows[0]);
      }
      pending.awaited -= 1;
      if (pending.awaited === 0) this.#resume(pending);
    }
  }

  // Heads and secrets

  #head(answer: HeadAnswer): void {
    if (this.#organizations.headKnown(answer)) this.#mark = Math.max(this.#mark, answer.time);
  }

  #made(made: Made): void {
    if (!equalBytes(made.boot, this.#context.boot)) return;
    const name = hexEncode(made.identity);
    const making = this.#making.get(name);
    if (making === undefined) return;
    this.#making.delete(name);
    const told = madeResult(made);
    for (const pending of making) {
      if (told instanceof KmsError) pending.refusal = told;
      else pending.made = told;
      this.#resume(pending);
    }
  }

  // Receipts

  #receipt(receipt: Receipt): void {
    if (!equalBytes(receipt.boot, this.#context.boot)) return;
    this.#mark = Math.max(this.#mark, receipt.time);
    const outstanding = this.#outstanding.get(receipt.batch);
    if (outstanding === undefined) return;
    this.#outstanding.delete(receipt.batch);
    for (const { organization, head } of receipt.items) this.#organizations.certify(organization, head);
    if (outstanding.organizations !== null)
      for (const { organization: id, code } of receipt.refused) {
        this.#context.log('advance-refused', { organization: formatUuid(id), code });
        // The tail was built on something that is not history: start again from the certified head. A tail that was
        // begun since then is another one.
        const organization = outstanding.organizations.get(hexEncode(id));
        if (organization !== undefined) this.#organizations.forget(organization);
      }
    // Only what the certifier names as history leaves.
    const history =
      outstanding.answers.length === 0
        ? new Map<string, ReceiptItem>()
        : new Map(receipt.items.map((item) => [hexEncode(item.hash), item]));
    const fenced: StatedAnswer[] = [];
    for (const answer of outstanding.answers) {
      const item = history.get(hexEncode(answer.hash));
      const { narrows, organization, ...rest } = answer;
      if (item?.position !== answer.position || !equalBytes(item.organization, organization.id))
        this.#answers.refuse(answer.refs, answer.identity, new KmsError('unavailable', {}));
      else if (narrows) fenced.push({ ...rest, organization: organization.id });
      else this.#answers.state({ ...rest, organization: organization.id });
    }
    this.#answers.fence(receipt.batch, fenced, this.#now());
    for (const [name, pending] of this.#afterReceipt) {
      this.#afterReceipt.delete(name);
      this.#queue.push(pending);
    }
  }

  #noted(noted: Noted): void {
    if (!equalBytes(noted.boot, this.#context.boot)) return;
    this.#answers.releaseFence(noted.batch);
  }

  #closeBatch(): void {
    const batch = this.#batch;
    if (batch.isEmpty) return;
    this.#batch = new Batch(this.#nextBatch++);
    const order = AdvanceOrder.encode(batch.order(this.#context.boot));
    this.#outstanding.set(batch.number, { organizations: batch.organizations, answers: batch.answers });
    for (const nodes of nodesAhead(batch.rows))
      this.#sendBatch({ batch: this.#nextBatch++, rows: { ...noRows(), nodes } });
    this.#sendBatch({
      batch: batch.number,
      rows: batch.rows,
      advance: this.#context.seal('policy-to-certifier', 'advance-order', order),
      ...ticketFields(this.#context, batch.number, batch.tickets),
    });
  }

  #sendBatch(message: Pick<BatchMessage, 'batch' | 'rows'> & Partial<BatchMessage>): void {
    this.send({
      advance: undefined,
      query: undefined,
      tickets: undefined,
      waiting: [],
      ...message,
      type: 'batch',
    });
  }

  /** Repeats of this turn, in queries for fresh receipts. */
  #closeRepeats(): void {
    if (this.#repeats.length === 0) return;
    const repeats = this.#repeats;
    this.#repeats = [];
    for (const part of inMessages(repeats, ({ known }) => 2 * known.sealed.length + 16384))
      this.#closeRepeatsOf(part);
  }

  #closeRepeatsOf(repeats: readonly Repeat[]): void {
    const number = this.#nextBatch++;
    const tickets: HeldTicket[] = [];
    const answers: HeldAnswer[] = [];
    const items: { organization: Uint8Array; position: number; hash: Uint8Array }[] = [];
    for (const { known, other, pending, organization } of repeats) {
      try {
        if (known.entry.keyUse !== undefined && known.entry.decision.outcome === outcomeAllow)
          tickets.push(
            withAllowance(this.#context, pending, known, repeatedTicket(known, other, pending, organization)),
          );
        else
          answers.push({
            refs: pending.refs,
            identity: pending.identity,
            organization,
            ...rememberedBody(known.entry),
            position: known.entry.position,
            hash: known.hash,
            time: known.entry.time,
            narrows: organization.certified.floor >= known.entry.position,
          });
        items.push({ organization: organization.id, position: known.entry.position, hash: known.hash });
        if (other !== null)
          items.push({
            organization: other.organization.id,
            position: other.known.entry.position,
            hash: other.known.hash,
          });
      } catch (thrown) {
        this.#interrupted(pending, thrown);
      }
    }
    if (items.length === 0) return;
    const query = ReceiptQuery.encode({ boot: this.#context.boot, batch: number, items });
    this.#outstanding.set(number, { organizations: null, answers });
    this.#sendBatch({
      batch: number,
      rows: noRows(),
      query: this.#context.seal('policy-to-certifier', 'receipt-query', query),
      ...ticketFields(this.#context, number, tickets),
    });
  }

  /** The owner's entry of a granted use: it was decided with the requester's. Throws NeedRows, NeedOrganization. */
  #ownerEntryOf(known: KnownEntry, pending: Pending): OwnerEntry | null {
    const { keyUse, counterpart } = known.entry;
    if (keyUse === undefined || counterpart === undefined) return null;
    const organization = this.#organizations.of(counterpart);
    const now = Math.max(this.#now(), organization.tailTime);
    const position = organization.exists ? organization.decidedAt(pending.identity, now) : undefined;
    if (position === undefined || position > organization.certified.position)
      throw new KmsError('unavailable', { detail: 'the owner has moved on; sign a new request' });
    return { organization, known: storedEntry(pending, organization, position, pending.identity) };
  }

  #giveUpLate(): void {
    const now = this.#context.clock();
    const limit = now - patienceMilliseconds;
    for (const pending of this.#parked.values()) {
      if (pending.arrived > limit) break;
      const making = this.#making.get(pending.identityHex);
      if (making?.delete(pending) && making.size === 0) this.#making.delete(pending.identityHex);
      this.#giveUp(pending, new KmsError('unavailable', {}));
    }
    // A question that was lost is asked again by the next request that needs its answer.
    this.#organizations.giveUp(limit, this.#rowQueries.giveUp(limit));
  }

  // The host's messages

  #outcome(message: Extract<ToPolicy, { type: 'outcome' }>): void {
    const organization = this.#organizations.inMemory(message.organization);
    if (organization === undefined || !organization.exists || organization.isUnconfirmed) return;
    try {
      const decided = buildOutcome(organization, message, this.#now());
      this.#keepNodes(decided);
      this.#batch.add(decided);
      if (this.#batch.isFull) this.#closeBatch();
    } catch {
      // Such as a checkpoint that lacks a node: the outcome is the host's word only, and the host may say it again.
      this.#context.log('outcome-dropped', { organization: formatUuid(organization.id) });
    }
  }

  /**
   * Something was lost between here and the certifier: forget every tail, answer nobody's guess. What is out may still
   * become history; a head that is asked for from now on comes after it (spec/receipt.md §3).
   */
  #resync(): void {
    this.#counters.resyncs += 1;
    const lost = new KmsError('unavailable', {});
    for (const { answers } of this.#outstanding.values())
      for (const answer of answers) this.#answers.refuse(answer.refs, answer.identity, lost);
    for (const answer of this.#batch.answers) this.#answers.refuse(answer.refs, answer.identity, lost);
    for (const ticket of this.#batch.tickets) this.#answers.refuse(ticket.refs, ticket.ticket.identity, lost);
    this.#answers.refuseReads(lost);
    for (const pending of [...this.#parked.values(), ...this.#afterReceipt.values(), ...this.#queue])
      this.#giveUp(pending, lost);
    this.#outstanding.clear();
    this.#parked.clear();
    this.#afterReceipt.clear();
    this.#making.clear();
    this.#rowQueries.clear();
    this.#organizations.clear();
    this.#repeats = [];
    this.#queue = [];
    this.#batch = new Batch(this.#nextBatch++);
  }

  #metrics(): Record<string, number> {
    return {
      ...this.#counters,
      loads: this.#organizations.loads,
      lockedRefusals: this.#answers.lockedRefusals,
      organizations: this.#organizations.size,
      locked: this.#organizations.lockedSize,
      outstanding: this.#outstanding.size,
      parked: this.#parked.size,
      decidedRequests: this.#requests.size,
    };
  }
}

const seedOf = ([a, b, c, d]: Uint8Array): number => (a! << 24) | (b! << 16) | (c! << 8) | d!;

/** Request and signature: only bytes that stand or fall with the same stamp wait together. */
function parkedAs({ identityHex, raw }: Pending): string {
  return `${identityHex} ${raw.route} ${raw.signature ?? raw.phantomStamp ?? ''}`;
}

/** Answers that are remembered by an entry, as they are stated again for the same request. */
function rememberedBody(entry: Entry): { readonly status: number; readonly body: Uint8Array } {
  if (entry.decision.outcome === outcomeAllow) return { status: 200, body: entry.result };
  return { status: new KmsError(entry.decision.code as never, {}).status, body: entry.result };
}
