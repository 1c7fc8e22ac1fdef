import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { hexEncode } from '@keystead/crypto/hex';
import { mapNodeHash } from '@keystead/crypto/merkle-map';
import { type JsonValue, parseStrictJson } from '@keystead/crypto/strict-json';
import type { EnclaveContext, Program } from '@keystead/enclave-runtime/program';
import { AnswerSignature, answerRolePolicy } from '@keystead/protocol/answer';
import { resultDigestOf, signStatements, statementVersion } from '@keystead/protocol/answer-signature';
import { authenticate, type Caller } from '@keystead/protocol/authenticate';
import {
  AuthorityLeaf,
  authenticatorLeafKey,
  grantLeafKey,
  userLeafKey,
  walletLeafKey,
} from '@keystead/protocol/authority';
import { type Head, outcomeAllow, zeroHash } from '@keystead/protocol/entry';
import { errorBody, isErrorCode, KmsError, toKmsError } from '@keystead/protocol/errors';
import {
  type FromPolicy,
  RawRequest,
  routePrepare,
  routeRpc,
  routeSimulations,
  type RowQuery,
  type Sealed,
  surfaceCompatibility,
  surfaceNative,
  type ToPolicy,
} from '@keystead/protocol/frames';
import { formatUuid, organizationIdOf, parseUuid } from '@keystead/protocol/ids';
import {
  AdvanceOrder,
  HeadAnswer,
  HeadQuery,
  Noted,
  Receipt,
  type ReceiptItem,
  receiptLifetimeMilliseconds,
  ReceiptQuery,
} from '@keystead/protocol/receipt';
import { parseRequest } from '@keystead/protocol/request';
import { assertFresh, parseStamp, requestIdentity, verifySelfStamp } from '@keystead/protocol/stamp';
import { Made, Make, TicketBatch } from '@keystead/protocol/ticket';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { Batch, type HeldAnswer, type HeldTicket } from './batch.ts';
import { type Decided, decideRequest, rememberedBody, ticketWitness } from './decision.ts';
import { DecidedRequests } from './decided-requests.ts';
import { Draft } from './draft.ts';
import { encodeDisplay } from './key-use.ts';
import { Loading } from './loader.ts';
import { readMethods } from './method-dispatch.ts';
import { buildOutcome } from './outcome.ts';
import { type KnownEntry, locked, openEntry, type Organization, organizationKeys } from './organization.ts';
import { type MadeResult, NeedMade, NeedOrganization, NeedOwner, type Pending } from './pending.ts';
import { applyPolicy } from './policy-decision.ts';
import { NeedRows, NodeCache } from './rows.ts';

/** Bytes of memory for the nodes of authority and state maps. */
const bytesOfNodes = 50_331_648;
/** Organizations kept in memory; the least recently used one with a certified tail goes first. */
const hotOrganizations = 10_000;
/** A request that waits longer than this for a row or a secret is given up. */
const patienceMilliseconds = 8_000;
const maximumRestarts = 256;
/** Callers that one decision answers. */
const maximumRefs = 1024;
/** Keys whose foundings are counted. */
const maximumFounders = 100_000;
/** Bounds of one message of answers, and of one message of nodes. */
const answersPerMessage = 1024;
const bytesPerMessage = 4 * 1024 * 1024;
const queriesPerMessage = 4096;

/** A batch that is out: what leaves, or is given up, when its receipt comes. */
interface Outstanding {
  readonly batch: Batch | null;
  readonly answers: readonly HeldAnswer[];
}

/** The owner's half of a use by grant. */
interface OwnerEntry {
  readonly organization: Organization;
  readonly known: KnownEntry;
}

interface Repeat {
  readonly known: KnownEntry;
  readonly other: OwnerEntry | null;
  readonly pending: Pending;
  readonly organization: Organization;
}

/** An answer that is ready to leave. */
type StatedAnswer = Omit<HeldAnswer, 'organization' | 'narrows'> & { readonly organization: Uint8Array };

/** An answer that states the present state of an organization, waiting until its tail is certified. */
interface ReadAnswer {
  readonly refs: readonly number[];
  readonly identity: Uint8Array;
  readonly organization: Organization;
  /** All organizations whose state it shows. */
  readonly shown: ReadonlySet<Organization>;
  readonly status: number;
  readonly body: Uint8Array;
  /** The end of the tail that it was read from. */
  readonly position: number;
  readonly hash: Uint8Array;
  readonly afterBatch: number;
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
  readonly #nodes = new NodeCache(bytesOfNodes);
  readonly #requests: DecidedRequests;
  readonly #organizations = new Map<string, Organization>();
  readonly #lockedOrganizations = new Map<string, KmsError>();
  readonly #loading = new Map<string, { loading: Loading; waiting: Set<Pending>; asked: number }>();
  /** Organizations that were asked for in this turn and do not exist: not kept, or strangers could fill the memory. */
  readonly #absent = new Set<string>();
  readonly #headQueries = new Map<number, string>();
  readonly #rowQueries = new Map<
    string,
    { id: number; query: RowQuery; waiting: Set<Pending>; loading: string | null; asked: number }
  >();
  readonly #rowQueriesById = new Map<number, string>();
  /** Requests whose secret the signer is making, by identity. */
  readonly #making = new Map<string, Set<Pending>>();
  /** Requests that are put aside for a row, an organization or a secret: identical bytes and stamps join them. */
  readonly #parked = new Map<string, Pending>();
  /** Repeats of requests whose decision is not certified yet. */
  readonly #afterReceipt = new Map<string, Pending>();
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #reads: ReadAnswer[] = [];
  readonly #toState: StatedAnswer[] = [];
  /** Answers of narrowing changes by batch, until the signer has noted their floors. */
  readonly #fenced = new Map<number, { answers: readonly StatedAnswer[]; until: number }>();
  readonly #unstated: Extract<FromPolicy, { type: 'answers' }>['answers'] = [];
  /** Identities of the requests by which a key founded organizations. */
  readonly #foundedByKey = new Map<string, Set<string>>();
  #repeats: Repeat[] = [];
  #queue: Pending[] = [];
  #batch: Batch;
  #nextBatch = 1;
  #nextId = 1;
  #mark = 0;
  readonly #counters = {
    requests: 0,
    decisions: 0,
    denials: 0,
    reads: 0,
    repeats: 0,
    loads: 0,
    resyncs: 0,
    forged: 0,
    lockedRefusals: 0,
  };

  constructor(context: EnclaveContext) {
    this.#context = context;
    this.#requests = new DecidedRequests(context.random);
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
    this.#releaseReads();
    this.#releaseOldFences();
    this.#stateAnswers();
    this.#forgetAbsent();
    this.#requests.forgetBefore(this.#now());
  }

  // Requests

  #arrive(ref: number, encoded: Uint8Array): void {
    this.#counters.requests += 1;
    try {
      const raw = RawRequest.decode(encoded);
      const stamp = parseStamp(raw);
      const surface = raw.surface === surfaceNative ? 'native' : 'compatibility';
      if (raw.surface !== surfaceNative && raw.surface !== surfaceCompatibility)
        throw new KmsError('internal', {});
      const route =
        raw.route === routePrepare ? 'prepare' : raw.route === routeSimulations ? 'simulations' : 'rpc';
      if (route === 'rpc' && raw.route !== routeRpc) throw new KmsError('internal', {});
      const request = parseRequest(surface, route, raw.body);
      if (stamp.kind === 'native' && !equalBytes(stamp.deployment, this.#context.deploymentId))
        throw new KmsError('deployment-mismatch', { field: 'Keystead-Deployment' });
      assertFresh(stamp, request.timestampMs, this.#now());
      if (request.kind === 'unsupported')
        throw new KmsError('not-supported', {
          field: 'method',
          detail: `${request.method} is not offered here`,
        });
      const identity = requestIdentity(stamp, raw.body);
      const founding = request.method === 'createOrganization';
      const organization = founding
        ? organizationIdOf(this.#context.deploymentId, identity)
        : parseUuid(request.organizationId ?? '');
      if (organization === undefined) throw new KmsError('authenticator-unknown', {});
      this.#queue.push({
        refs: [ref],
        raw,
        encoded,
        request,
        stamp,
        identity,
        identityHex: hexEncode(identity),
        organization,
        organizationId: formatUuid(organization),
        arrived: this.#context.clock(),
        made: undefined,
        refusal: undefined,
        owner: undefined,
        rows: undefined,
        awaited: 0,
        restarts: 0,
      });
    } catch (thrown) {
      this.#refuse([ref], zeroHash, thrown);
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
      this.#handle(pending, this.#organizationOf(pending.organization));
    } catch (thrown) {
      this.#interrupted(pending, thrown);
    }
  }

  /** Both are the same request under a stamp of the same worth. */
  #join(waiting: Pending, pending: Pending): void {
    if (waiting.refs.length + pending.refs.length > maximumRefs)
      this.#refuse(pending.refs, pending.identity, new KmsError('overloaded', {}));
    else waiting.refs.push(...pending.refs);
  }

  #interrupted(pending: Pending, thrown: unknown): void {
    const park = () => this.#parked.set(parkedAs(pending), pending);
    pending.restarts += 1;
    if (pending.restarts > maximumRestarts) {
      this.#refuse(pending.refs, pending.identity, new KmsError('unavailable', {}));
    } else if (thrown instanceof NeedOrganization) {
      park();
      this.#load(thrown.id, pending);
    } else if (thrown instanceof NeedRows) {
      park();
      this.#queryRows(thrown.queries, pending, null);
    } else if (thrown instanceof NeedOwner) {
      park();
      this.#queryRows([{ kind: 'ownerOf', walletId: thrown.walletId }], pending, null);
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
      this.#refuse(pending.refs, pending.identity, thrown);
    }
  }

  #handle(pending: Pending, organization: Organization): void {
    const { request, stamp, raw } = pending;
    // The entry's time: whatever holds for the decision has to hold then.
    const now = Math.max(this.#now(), organization.tailTime);
    const founding = request.method === 'createOrganization';
    if (!organization.exists && !founding) throw this.#absence(organization);
    this.#assertNotBehind(pending, organization);

    let caller: Caller | null = null;
    if (organization.exists) caller = authenticate((key) => organization.leaf(key), stamp, raw.body, now);
    else if (!verifySelfStamp(stamp, raw.body)) throw new KmsError('stamp-invalid', {});

    if (request.kind === 'read') {
      if (caller === null) throw new KmsError('authenticator-unknown', {});
      this.#read(pending, organization, caller, now);
      return;
    }
    const decidedAt = organization.exists ? organization.decidedAt(pending.identity, now) : undefined;
    if (decidedAt !== undefined) {
      this.#repeat(pending, organization, decidedAt);
      return;
    }
    this.#assertStillFresh(pending, now);
    this.#requests.assertRoom();
    if (!organization.exists) this.#assertMayFound(pending);
    const decided = decideRequest(
      { deploymentId: this.#context.deploymentId, organizationOf: (id) => this.#organizationOf(id) },
      pending,
      organization,
      caller,
      now,
    );
    const ticket = decided.ticket === null ? null : this.#planTicket(pending, decided, caller!);
    this.#counters.decisions += 1;
    const [own] = decided.entries;
    const { entry } = own.known;
    if (entry.decision.outcome !== outcomeAllow) this.#counters.denials += 1;
    if (founding) this.#noteFounding(pending);
    this.#append(decided);
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

  /** Adds a decision to the tails and to the batch; its nodes can be read before the store has them. */
  #append(decided: Decided): void {
    for (const { nodes } of decided.entries)
      for (const { hash, bytes } of nodes) this.#nodes.put(hash, bytes);
    this.#batch.add(decided);
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

  #assertMayFound(pending: Pending): void {
    const { settings } = this.#context;
    const key = base64urlEncode(pending.stamp.publicKey);
    if (settings.operatorKeys.includes(key)) return;
    if (settings.organizationCreation !== 'open') throw new KmsError('organization-creation-closed', {});
    if (settings.organizationQuota === 0) return;
    const founded = this.#foundedByKey.get(key);
    if (founded === undefined || founded.has(pending.identityHex)) return;
    if (founded.size >= settings.organizationQuota) throw new KmsError('organization-quota', {});
  }

  /** Counts a founding once, however often the same request is sent. */
  #noteFounding(pending: Pending): void {
    if (this.#context.settings.organizationQuota === 0) return;
    const key = base64urlEncode(pending.stamp.publicKey);
    const founded = this.#foundedByKey.get(key) ?? new Set<string>();
    this.#foundedByKey.delete(key);
    this.#foundedByKey.set(key, founded.add(pending.identityHex));
    if (this.#foundedByKey.size > maximumFounders) {
      const oldest = this.#foundedByKey.keys().next().value;
      if (oldest !== undefined) this.#foundedByKey.delete(oldest);
    }
  }

  #read(pending: Pending, organization: Organization, caller: Caller, now: number): void {
    const state = new Draft(organization);
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
        const other = this.#organizationOf(id);
        shown.add(other);
        return other;
      },
    });
    this.#counters.reads += 1;
    this.#reads.push({
      refs: pending.refs,
      identity: pending.identity,
      organization,
      shown,
      status: 200,
      body: utf8Encode(canonicalize(result as JsonValue)),
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
    const known = this.#storedEntry(pending, organization, position);
    const other = this.#ownerEntryOf(known, pending);
    this.#counters.repeats += 1;
    this.#repeats.push({ known, other, pending, organization });
  }

  /** The entry that decided a request, from the store. Throws NeedRows; KmsError `organization-locked` for another one. */
  #storedEntry(pending: Pending, organization: Organization, position: number): KnownEntry {
    const query: RowQuery = { kind: 'entries', organization: organization.id, from: position, limit: 1 };
    const row = pending.rows?.get(queryName(query));
    if (row === undefined) throw new NeedRows([query]);
    const known = openEntry(organization.keys, row);
    if (!equalBytes(known.entry.identity, pending.identity) || known.entry.position !== position)
      throw locked('the row of a decided request is another entry');
    return known;
  }

  #planTicket(pending: Pending, decided: Decided, caller: Caller): HeldTicket {
    const [own, other] = decided.entries;
    const { keyUse, secret, display } = decided.ticket!;
    // New nodes of this very decision are read here, before the batch is closed.
    for (const decidedEntry of decided.entries)
      for (const { hash, bytes } of decidedEntry.nodes) this.#nodes.put(hash, bytes);
    const grantName = this.#grantName(pending, other?.organization);
    const witness = ticketWitness(
      own.organization,
      own.known.entry,
      {
        authenticatorKey: authenticatorLeafKey(pending.stamp.keyHash),
        userKey: userLeafKey(caller.user.username),
      },
      keyUse,
      other === undefined
        ? null
        : {
            organization: other.organization,
            entry: other.known.entry,
            grantKey: grantLeafKey(keyUse.walletId, own.organization.id, grantName),
          },
      pending.request.approvals,
    );
    return {
      ticket: {
        identity: pending.identity,
        entry: own.encoded,
        ownerEntry: other?.encoded,
        witness,
        secret,
        display,
      },
      refs: pending.refs,
      organization: own.organization,
    };
  }

  #grantName(pending: Pending, owner: Organization | undefined): string {
    if (owner === undefined) return '';
    const named = 'policyName' in pending.request.params ? pending.request.params.policyName : null;
    if (named !== null) return named;
    const { walletId } = pending.request.params as { walletId: string };
    const grants = new Draft(owner).cell('grants', walletId)?.grants ?? [];
    return grants.find((grant) => grant.target === pending.organizationId)?.name ?? '';
  }

  // Organizations

  #organizationOf(id: Uint8Array): Organization {
    const name = hexEncode(id);
    const refusal = this.#lockedOrganizations.get(name);
    if (refusal !== undefined) throw refusal;
    const organization = this.#organizations.get(name);
    if (organization === undefined) throw new NeedOrganization(id);
    // The least recently used one stands first.
    this.#organizations.delete(name);
    this.#organizations.set(name, organization);
    return organization;
  }

  #load(id: Uint8Array, pending: Pending | null): void {
    const name = hexEncode(id);
    const loading = this.#loading.get(name);
    if (loading !== undefined) {
      if (pending !== null) loading.waiting.add(pending);
      return;
    }
    this.#counters.loads += 1;
    const keys = organizationKeys(this.#context.seed, id);
    this.#loading.set(name, {
      loading: new Loading(id, keys, this.#nodes, this.#requests),
      waiting: new Set(pending === null ? [] : [pending]),
      asked: this.#context.clock(),
    });
    const nonce = this.#nextId++;
    this.#headQueries.set(nonce, name);
    const query = HeadQuery.encode({ boot: this.#context.boot, nonce, organization: id });
    this.send({ type: 'queryHead', query: this.#context.seal('policy-to-certifier', 'head-query', query) });
  }

  #head(answer: HeadAnswer): void {
    const name = this.#headQueries.get(answer.nonce);
    if (name === undefined || !equalBytes(answer.boot, this.#context.boot)) return;
    this.#headQueries.delete(answer.nonce);
    this.#mark = Math.max(this.#mark, answer.time);
    const entry = this.#loading.get(name);
    if (entry === undefined || hexEncode(answer.organization) !== name) return;
    this.#step(name, () => entry.loading.headKnown(answer.head));
  }

  /** One step of a load: the next row query, or the organization. */
  #step(name: string, step: () => RowQuery | Organization): void {
    const entry = this.#loading.get(name);
    if (entry === undefined) return;
    let next: RowQuery | Organization;
    try {
      next = step();
    } catch (thrown) {
      const error = thrown instanceof KmsError ? thrown : locked('its rows cannot be read');
      this.#loading.delete(name);
      this.#lockedOrganizations.set(name, error);
      this.#context.log('organization-locked', {
        organization: formatUuid(entry.loading.id),
        detail: error.detail,
      });
      for (const pending of entry.waiting) this.#resume(pending);
      return;
    }
    if ('kind' in next) {
      this.#queryRows([next], null, name);
      return;
    }
    this.#loading.delete(name);
    this.#makeRoom();
    this.#organizations.set(name, next);
    if (!next.exists) this.#absent.add(name);
    for (const pending of entry.waiting) this.#resume(pending);
  }

  #makeRoom(): void {
    if (this.#organizations.size < hotOrganizations) return;
    for (const [name, organization] of this.#organizations) {
      if (organization.certified.position !== organization.tail.position) continue;
      this.#organizations.delete(name);
      return;
    }
  }

  #forgetAbsent(): void {
    for (const name of this.#absent)
      if (this.#organizations.get(name)?.exists === false) this.#organizations.delete(name);
    this.#absent.clear();
  }

  #resume(pending: Pending): void {
    const name = parkedAs(pending);
    if (this.#parked.get(name) === pending) this.#parked.delete(name);
    this.#queue.push(pending);
  }

  /** Ends a wait without a decision. */
  #giveUp(pending: Pending, error: KmsError): void {
    const name = parkedAs(pending);
    if (this.#parked.get(name) === pending) this.#parked.delete(name);
    this.#refuse(pending.refs, pending.identity, error);
    pending.refs.length = 0;
  }

  // Rows

  #queryRows(queries: readonly RowQuery[], pending: Pending | null, loading: string | null): void {
    if (pending !== null) pending.awaited = queries.length;
    const asked: { id: number; query: RowQuery }[] = [];
    for (const query of queries) {
      const name = queryName(query) + (loading ?? '');
      const known = this.#rowQueries.get(name);
      if (known !== undefined) {
        if (pending !== null) known.waiting.add(pending);
        continue;
      }
      const id = this.#nextId++;
      this.#rowQueries.set(name, {
        id,
        query,
        waiting: new Set(pending === null ? [] : [pending]),
        loading,
        asked: this.#context.clock(),
      });
      this.#rowQueriesById.set(id, name);
      asked.push({ id, query });
    }
    for (let from = 0; from < asked.length; from += queriesPerMessage)
      this.send({ type: 'queryRows', queries: asked.slice(from, from + queriesPerMessage) });
  }

  #rows(id: number, rows: readonly Uint8Array[]): void {
    const name = this.#rowQueriesById.get(id);
    const asked = name === undefined ? undefined : this.#rowQueries.get(name);
    if (name === undefined || asked === undefined) return;
    this.#rowQueriesById.delete(id);
    this.#rowQueries.delete(name);
    const { query, waiting, loading } = asked;
    if (loading !== null) {
      const entry = this.#loading.get(loading);
      if (entry === undefined) return;
      if (query.kind === 'newestCheckpoint') {
        const [row] = rows;
        const position =
          row === undefined || row.length !== 8
            ? undefined
            : Number(new DataView(row.buffer, row.byteOffset, 8).getBigUint64(0));
        this.#step(loading, () => entry.loading.checkpointKnown(position));
      } else if (query.kind === 'entries') this.#step(loading, () => entry.loading.entriesKnown(rows));
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

  // Secrets

  #made(made: Made): void {
    if (!equalBytes(made.boot, this.#context.boot)) return;
    const name = hexEncode(made.identity);
    const making = this.#making.get(name);
    if (making === undefined) return;
    this.#making.delete(name);
    const told = toldOf(made);
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
    for (const { organization, head } of receipt.items) this.#certify(hexEncode(organization), head);
    if (outstanding.batch !== null)
      for (const { organization: id, code } of receipt.refused) {
        const name = hexEncode(id);
        this.#context.log('advance-refused', { organization: formatUuid(id), code });
        // The tail was built on something that is not history: start again from the certified head. A tail that was
        // begun since then is another one.
        if (this.#organizations.get(name) === outstanding.batch.organizations.get(name))
          this.#organizations.delete(name);
      }
    // Only what the certifier names as history leaves.
    const history =
      outstanding.answers.length === 0
        ? new Map<string, ReceiptItem>()
        : new Map(receipt.items.map((item) => [hexEncode(item.hash), item]));
    const fenced: StatedAnswer[] = [];
    for (const answer of outstanding.answers) {
      const item = history.get(hexEncode(answer.hash));
      if (item?.position === answer.position && equalBytes(item.organization, answer.organization.id))
        (answer.narrows ? fenced : this.#toState).push({ ...answer, organization: answer.organization.id });
      else this.#refuse(answer.refs, answer.identity, new KmsError('unavailable', {}));
    }
    if (fenced.length > 0)
      this.#fenced.set(receipt.batch, { answers: fenced, until: this.#now() + receiptLifetimeMilliseconds });
    for (const [name, pending] of this.#afterReceipt) {
      this.#afterReceipt.delete(name);
      this.#queue.push(pending);
    }
  }

  /** The signer signs nothing below the floors of that batch any more: who took something back may know it. */
  #noted(noted: Noted): void {
    if (!equalBytes(noted.boot, this.#context.boot)) return;
    this.#releaseFence(noted.batch);
  }

  #releaseFence(batch: number): void {
    this.#toState.push(...(this.#fenced.get(batch)?.answers ?? []));
    this.#fenced.delete(batch);
  }

  /** No signer takes a receipt after its lifetime: what no signer noted needs no note then. */
  #releaseOldFences(): void {
    const now = this.#context.clock();
    for (const [batch, { until }] of this.#fenced) if (now > until) this.#releaseFence(batch);
  }

  /** The certified head moves along the tail; a head that is not on it belongs to another history. */
  #certify(name: string, head: Head): void {
    const organization = this.#organizations.get(name);
    if (organization === undefined || head.position <= organization.certified.position) return;
    const hash = organization.hashAt(head.position);
    if (hash !== undefined && equalBytes(hash, head.hash)) {
      organization.certified = head;
      return;
    }
    this.#organizations.delete(name);
    this.#context.log('tail-abandoned', { organization: formatUuid(organization.id) });
  }

  #closeBatch(): void {
    const batch = this.#batch;
    if (batch.isEmpty) return;
    this.#batch = new Batch(this.#nextBatch++);
    const order = AdvanceOrder.encode(batch.order(this.#context.boot));
    this.#outstanding.set(batch.number, { batch, answers: batch.answers });
    this.#sendNodes(batch);
    this.send({
      type: 'batch',
      batch: batch.number,
      rows: batch.rows,
      advance: this.#context.seal('policy-to-certifier', 'advance-order', order),
      query: undefined,
      ...this.#ticketFields(batch.number, batch.tickets),
    });
  }

  /** Nodes for which one message has no room go ahead of the batch: alone they mean nothing. */
  #sendNodes({ rows }: Batch): void {
    let bytes = rows.nodes.reduce((sum, node) => sum + node.bytes.length + 36, 0);
    while (bytes > bytesPerMessage) {
      const nodes: typeof rows.nodes = [];
      for (let ahead = 0; ahead < bytesPerMessage && rows.nodes.length > 0; ) {
        const node = rows.nodes.pop()!;
        nodes.push(node);
        ahead += node.bytes.length + 36;
      }
      bytes = rows.nodes.reduce((sum, node) => sum + node.bytes.length + 36, 0);
      this.send({
        type: 'batch',
        batch: this.#nextBatch++,
        rows: { entries: [], nodes, secrets: [], owners: [] },
        advance: undefined,
        query: undefined,
        tickets: undefined,
        waiting: [],
      });
    }
  }

  /** Repeats of this turn, in queries for fresh receipts. */
  #closeRepeats(): void {
    const all = this.#repeats;
    this.#repeats = [];
    let from = 0;
    let bytes = 0;
    for (const [index, { known }] of all.entries()) {
      bytes += 2 * known.sealed.length + 16384;
      if (bytes < bytesPerMessage) continue;
      this.#closeRepeatsOf(all.slice(from, index + 1));
      from = index + 1;
      bytes = 0;
    }
    if (from < all.length) this.#closeRepeatsOf(all.slice(from));
  }

  #closeRepeatsOf(repeats: readonly Repeat[]): void {
    const number = this.#nextBatch++;
    const tickets: HeldTicket[] = [];
    const answers: HeldAnswer[] = [];
    const items: { organization: Uint8Array; position: number; hash: Uint8Array }[] = [];
    for (const { known, other, pending, organization } of repeats) {
      try {
        if (known.entry.keyUse !== undefined && known.entry.decision.outcome === outcomeAllow)
          tickets.push(this.#repeatedTicket(known, other, pending, organization));
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
    this.#outstanding.set(number, { batch: null, answers });
    this.send({
      type: 'batch',
      batch: number,
      rows: { entries: [], nodes: [], secrets: [], owners: [] },
      advance: undefined,
      query: this.#context.seal('policy-to-certifier', 'receipt-query', query),
      ...this.#ticketFields(number, tickets),
    });
  }

  /** The owner's entry of a granted use: it was decided with the requester's. Throws NeedRows, NeedOrganization. */
  #ownerEntryOf(known: KnownEntry, pending: Pending): OwnerEntry | null {
    const { keyUse, counterpart } = known.entry;
    if (keyUse === undefined || counterpart === undefined) return null;
    const organization = this.#organizationOf(counterpart);
    const now = Math.max(this.#now(), organization.tailTime);
    const position = organization.exists ? organization.decidedAt(pending.identity, now) : undefined;
    if (position === undefined || position > organization.certified.position)
      throw new KmsError('unavailable', { detail: 'the owner has moved on; sign a new request' });
    return { organization, known: this.#storedEntry(pending, organization, position) };
  }

  #repeatedTicket(
    known: KnownEntry,
    other: OwnerEntry | null,
    pending: Pending,
    organization: Organization,
  ): HeldTicket {
    const { entry } = known;
    const keyUse = entry.keyUse!;
    const wallet = organization.cell('wallet', formatUuid(keyUse.walletId));
    const ownerWallet = other?.organization.cell('wallet', formatUuid(keyUse.walletId));
    const cell = wallet ?? ownerWallet;
    const authenticatorKey = authenticatorLeafKey(entry.authenticator);
    const leaf = organization.withNodes(() =>
      organization.authorityMap(entry.authorityBefore).get(authenticatorKey),
    );
    if (leaf === undefined) throw new KmsError('authenticator-unknown', {});
    const walletLeaf = (other?.organization ?? organization).leaf(walletLeafKey(keyUse.walletId));
    return {
      ticket: {
        identity: pending.identity,
        entry: known.sealed.slice(0, known.sealed.length - 32),
        ownerEntry: other === null ? undefined : other.known.sealed.slice(0, other.known.sealed.length - 32),
        witness: ticketWitness(
          organization,
          entry,
          { authenticatorKey, userKey: userLeafKey(usernameOf(leaf)) },
          keyUse,
          other === null
            ? null
            : {
                organization: other.organization,
                entry: other.known.entry,
                grantKey: grantLeafKey(
                  keyUse.walletId,
                  organization.id,
                  this.#grantName(pending, other.organization),
                ),
              },
          pending.request.approvals,
        ),
        secret: walletLeaf?.leaf === 'wallet' ? walletLeaf.secret : undefined,
        display:
          cell === undefined
            ? new Uint8Array(0)
            : encodeDisplay(cell, other === null ? null : this.#grantName(pending, other.organization)),
      },
      refs: pending.refs,
      organization,
    };
  }

  #ticketFields(
    batch: number,
    tickets: readonly HeldTicket[],
  ): Pick<Extract<FromPolicy, { type: 'batch' }>, 'tickets' | 'waiting'> {
    if (tickets.length === 0) return { tickets: undefined, waiting: [] };
    const encoded = TicketBatch.encode({
      boot: this.#context.boot,
      batch,
      tickets: tickets.map(({ ticket }) => ticket),
    });
    return {
      tickets: this.#context.seal('policy-to-signer', 'ticket-batch', encoded),
      waiting: tickets.map(({ ticket, refs }) => ({
        identity: ticket.identity,
        refs: [...refs],
        secret: ticket.secret,
      })),
    };
  }

  // Answers

  #releaseReads(): void {
    const later: ReadAnswer[] = [];
    for (const read of this.#reads) {
      if (this.#outstanding.has(read.afterBatch)) {
        later.push(read);
        continue;
      }
      const { organization, shown } = read;
      if ([...shown].some((other) => this.#organizations.get(hexEncode(other.id)) !== other)) {
        this.#refuse(read.refs, read.identity, new KmsError('unavailable', {}));
        continue;
      }
      this.#toState.push({
        refs: read.refs,
        identity: read.identity,
        organization: organization.id,
        status: read.status,
        body: read.body,
        position: read.position,
        hash: read.hash,
        time: this.#now(),
      });
    }
    this.#reads.splice(0, this.#reads.length, ...later);
  }

  /** One signature over every answer of the turn. */
  #stateAnswers(): void {
    const answers = this.#unstated.splice(0);
    const stated = this.#toState.splice(0);
    const signatures = signStatements(
      this.#context.signSeed,
      stated.map((answer) => ({
        version: statementVersion,
        role: answerRolePolicy,
        deployment: this.#context.deploymentId,
        identity: answer.identity,
        status: answer.status,
        resultDigest: resultDigestOf(
          answer.status,
          parseStrictJson(answer.body, { maxBytes: 2097152, maxDepth: 64 }),
        ),
        organization: answer.organization,
        position: answer.position,
        head: answer.hash,
        time: answer.time,
      })),
    );
    for (const [index, answer] of stated.entries())
      answers.push({
        refs: [...answer.refs],
        answer: {
          identity: answer.identity,
          status: answer.status,
          body: answer.body,
          signature: AnswerSignature.encode(signatures[index]),
        },
      });
    let from = 0;
    let bytes = 0;
    for (const [index, { answer }] of answers.entries()) {
      bytes += answer.body.length + answer.signature.length + 8192;
      if (index - from + 1 < answersPerMessage && bytes < bytesPerMessage) continue;
      this.send({ type: 'answers', answers: answers.slice(from, index + 1) });
      from = index + 1;
      bytes = 0;
    }
    if (from < answers.length) this.send({ type: 'answers', answers: answers.slice(from) });
  }

  /** Answers an error that no entry stands for; the host could have invented it, so it is not stated. */
  #refuse(refs: readonly number[], identity: Uint8Array, thrown: unknown): void {
    if (refs.length === 0) return;
    const error = toKmsError(thrown);
    if (error.code === 'organization-locked') this.#counters.lockedRefusals += 1;
    if (error.code === 'internal')
      this.#context.log('internal-error', {
        name: thrown instanceof Error ? thrown.name : 'unknown',
        at: placeOf(thrown),
      });
    const { requestId: _, ...body } = errorBody(error, '');
    this.#unstated.push({
      refs: [...refs],
      answer: {
        identity,
        status: error.status,
        body: utf8Encode(canonicalize(body as unknown as JsonValue)),
        signature: new Uint8Array(0),
      },
    });
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
    for (const [name, { id, loading, asked }] of this.#rowQueries) {
      if (asked > limit) break;
      this.#rowQueries.delete(name);
      this.#rowQueriesById.delete(id);
      if (loading !== null) this.#loading.delete(loading);
    }
    for (const [name, { asked }] of this.#loading) {
      if (asked > limit) break;
      this.#loading.delete(name);
    }
    for (const [nonce, name] of this.#headQueries) {
      if (this.#loading.has(name)) break;
      this.#headQueries.delete(nonce);
    }
  }

  // The host's messages

  #outcome(message: Extract<ToPolicy, { type: 'outcome' }>): void {
    const organization = this.#organizations.get(hexEncode(message.organization));
    if (organization === undefined || !organization.exists) return;
    try {
      this.#append(buildOutcome(organization, message, this.#now()));
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
      for (const answer of answers) this.#refuse(answer.refs, answer.identity, lost);
    for (const answer of this.#batch.answers) this.#refuse(answer.refs, answer.identity, lost);
    for (const ticket of this.#batch.tickets) this.#refuse(ticket.refs, ticket.ticket.identity, lost);
    for (const read of this.#reads.splice(0)) this.#refuse(read.refs, read.identity, lost);
    for (const pending of [...this.#parked.values(), ...this.#afterReceipt.values(), ...this.#queue])
      this.#giveUp(pending, lost);
    this.#outstanding.clear();
    this.#parked.clear();
    this.#afterReceipt.clear();
    this.#making.clear();
    this.#loading.clear();
    this.#headQueries.clear();
    this.#rowQueries.clear();
    this.#rowQueriesById.clear();
    this.#organizations.clear();
    this.#lockedOrganizations.clear();
    this.#repeats = [];
    this.#queue = [];
    this.#batch = new Batch(this.#nextBatch++);
  }

  #metrics(): Record<string, number> {
    return {
      ...this.#counters,
      organizations: this.#organizations.size,
      locked: this.#lockedOrganizations.size,
      outstanding: this.#outstanding.size,
      parked: this.#parked.size,
      decidedRequests: this.#requests.size,
    };
  }
}

/** Request and signature: only bytes that stand or fall with the same stamp wait together. */
function parkedAs({ identityHex, raw }: Pending): string {
  return `${identityHex} ${raw.route} ${raw.signature ?? raw.phantomStamp ?? ''}`;
}

function queryName(query: RowQuery): string {
  switch (query.kind) {
    case 'node':
      return `node ${hexEncode(query.hash)}`;
    case 'ownerOf':
      return `ownerOf ${hexEncode(query.walletId)}`;
    case 'newestCheckpoint':
      return `newestCheckpoint ${hexEncode(query.organization)} ${query.atMost}`;
    case 'entries':
      return `entries ${hexEncode(query.organization)} ${query.from} ${query.limit}`;
  }
}

/** What the signer made or derived, or why it would not. */
function toldOf(made: Made): MadeResult | KmsError {
  if (made.refusal.length > 0) {
    const { code, detail, field } = parseStrictJson(made.refusal, { maxBytes: 8192 }) as Record<
      string,
      string
    >;
    return new KmsError(code !== undefined && isErrorCode(code) ? code : 'unavailable', { detail, field });
  }
  const told = parseStrictJson(made.accounts, { maxBytes: 65536 }) as Record<string, unknown>;
  const single = told.account as
    | { curve: string; addressFormat: string; address: string; publicKey: string }
    | undefined;
  return {
    secret: made.secret,
    sealed: made.sealed,
    type: told.type === 'KEYPAIR' ? 'KEYPAIR' : 'MNEMONIC',
    accounts: single === undefined ? (told.accounts as never) : [{ ...single, derivationPath: '' }],
  };
}

/** File and line of an unforeseen exception: enough to find it, and never its message. */
function placeOf(thrown: unknown): string {
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  return (
    stack
      .split('\n')
      .find((line) => line.includes(':'))
      ?.trim()
      .slice(0, 200) ?? ''
  );
}

function usernameOf(encodedLeaf: Uint8Array): string {
  const leaf = AuthorityLeaf.decode(encodedLeaf);
  if (leaf.leaf !== 'authenticator') throw new KmsError('authenticator-unknown', {});
  return leaf.username;
}
