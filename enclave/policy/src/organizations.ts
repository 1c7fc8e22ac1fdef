import { equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { Recent } from '@keystead/crypto/recent';
import type { EnclaveContext } from '@keystead/enclave-runtime/program';
import type { Head } from '@keystead/protocol/entry';
import { KmsError } from '@keystead/protocol/errors';
import type { FromPolicy, RowQuery } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';
import { type HeadAnswer, HeadQuery } from '@keystead/protocol/receipt';
import type { DecidedRequests } from './decided-requests.ts';
import { Loading } from './loader.ts';
import { locked, type Organization, organizationKeys } from './organization.ts';
import { NeedOrganization, type Pending } from './pending.ts';
import type { RowQueries } from './row-queries.ts';
import type { NodeCache } from './rows.ts';

/** Organizations kept in memory, about 20 kB each; the least recently used one with a certified tail goes first. */
const hotOrganizations = 4_096;
/** So many uncertified ones are passed over, at most, to make room for one. */
const mostPassedOver = 64;

export interface OrganizationsPorts {
  readonly context: EnclaveContext;
  readonly nodes: NodeCache;
  readonly requests: DecidedRequests;
  readonly rowQueries: RowQueries;
  send(message: FromPolicy): void;
  /** Lets a request start again. */
  resume(pending: Pending): void;
}

/** The organizations in memory, those that are being loaded, and those that are locked. */
export class Organizations {
  readonly #ports: OrganizationsPorts;
  readonly #known = new Recent<Organization>(Number.MAX_SAFE_INTEGER);
  readonly #locked = new Map<string, KmsError>();
  readonly #loading = new Map<
    string,
    { readonly loading: Loading; readonly waiting: Set<Pending>; readonly asked: number }
  >();
  /** Organizations that were asked for in this turn and do not exist: not kept, or strangers could fill the memory. */
  readonly #absent = new Set<string>();
  readonly #headQueries = new Map<number, string>();
  #nextNonce = 1;
  loads = 0;
  /** No stamp from before counts: the heads log was anchored anew then. */
  since = 0;

  constructor(ports: OrganizationsPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#known.size;
  }

  get lockedSize(): number {
    return this.#locked.size;
  }

  /** Throws NeedOrganization; KmsError `organization-locked`. */
  of(id: Uint8Array): Organization {
    const name = hexEncode(id);
    const refusal = this.#locked.get(name);
    if (refusal !== undefined) throw refusal;
    const organization = this.#known.get(name);
    if (organization === undefined) throw new NeedOrganization(id);
    return organization;
  }

  /** One that is in memory. */
  inMemory(id: Uint8Array): Organization | undefined {
    return this.#known.peek(hexEncode(id));
  }

  /** False for one whose tail was given up since. */
  isCurrent(organization: Organization): boolean {
    return this.inMemory(organization.id) === organization;
  }

  /** Forgets an organization with its tail; it begins again from the certified head. */
  forget(organization: Organization): void {
    if (this.isCurrent(organization)) this.#known.delete(hexEncode(organization.id));
  }

  /** The certified head moves along the tail; a head that is not on it belongs to another history. */
  certify(id: Uint8Array, head: Head): void {
    const organization = this.inMemory(id);
    if (organization === undefined || head.position <= organization.certified.position) return;
    const hash = organization.hashAt(head.position);
    if (hash !== undefined && equalBytes(hash, head.hash)) {
      organization.certified = head;
      organization.isUnconfirmed = false;
      return;
    }
    this.forget(organization);
    this.#ports.context.log('tail-abandoned', { organization: formatUuid(id) });
  }

  /** Begins to load an organization for a request, or lets it wait with others. */
  load(id: Uint8Array, pending: Pending): void {
    const name = hexEncode(id);
    const loading = this.#loading.get(name);
    if (loading !== undefined) {
      loading.waiting.add(pending);
      return;
    }
    this.loads += 1;
    const { context, nodes, requests, send } = this.#ports;
    this.#loading.set(name, {
      loading: new Loading(id, organizationKeys(context.seed, id), nodes, requests),
      waiting: new Set([pending]),
      asked: context.clock(),
    });
    const nonce = this.#nextNonce++;
    this.#headQueries.set(nonce, name);
    const query = HeadQuery.encode({ boot: context.boot, nonce, organization: id });
    send({ type: 'queryHead', query: context.seal('policy-to-certifier', 'head-query', query) });
  }

  /** False when the answer is to no question of this start. */
  headKnown(answer: HeadAnswer): boolean {
    const name = this.#headQueries.get(answer.nonce);
    if (name === undefined || !equalBytes(answer.boot, this.#ports.context.boot)) return false;
    this.#headQueries.delete(answer.nonce);
    this.since = Math.max(this.since, answer.since);
    if (hexEncode(answer.organization) === name)
      this.#step(name, (loading) => loading.headKnown(answer.head, answer.unconfirmed));
    return true;
  }

  /** Rows that a load has asked for. */
  rowsKnown(name: string, query: RowQuery, rows: readonly Uint8Array[]): void {
    if (query.kind === 'newestCheckpoint') {
      const [row] = rows;
      const position =
        row === undefined || row.length !== 8
          ? undefined
          : Number(new DataView(row.buffer, row.byteOffset, 8).getBigUint64(0));
      this.#step(name, (loading) => loading.checkpointKnown(position));
    } else if (query.kind === 'entries') this.#step(name, (loading) => loading.entriesKnown(rows));
  }

  /** One step of a load: the next row query, or the organization. */
  #step(name: string, step: (loading: Loading) => RowQuery | Organization): void {
    const entry = this.#loading.get(name);
    if (entry === undefined) return;
    const { context, rowQueries, resume } = this.#ports;
    let next: RowQuery | Organization;
    try {
      next = step(entry.loading);
    } catch (thrown) {
      const error = thrown instanceof KmsError ? thrown : locked('its rows cannot be read');
      this.#loading.delete(name);
      this.#locked.set(name, error);
      context.log('organization-locked', {
        organization: formatUuid(entry.loading.id),
        detail: error.detail,
      });
      for (const pending of entry.waiting) resume(pending);
      return;
    }
    if ('kind' in next) {
      rowQueries.ask([next], null, name);
      return;
    }
    this.#loading.delete(name);
    this.#makeRoom();
    next.anchoredAt = this.since;
    this.#known.set(name, next);
    if (!next.exists) this.#absent.add(name);
    for (const pending of entry.waiting) resume(pending);
  }

  #makeRoom(): void {
    for (let passed = 0; this.#known.size >= hotOrganizations && passed < mostPassedOver; passed += 1) {
      const { name, value } = this.#known.oldest!;
      if (value.certified.position === value.tail.position) this.#known.delete(name);
      else this.#known.get(name);
    }
  }

  /** At the end of a turn. */
  forgetAbsent(): void {
    for (const name of this.#absent) if (this.#known.peek(name)?.exists === false) this.#known.delete(name);
    this.#absent.clear();
  }

  /** Forgets loads that began at `limit` or before, and those named; the next request begins them anew. */
  giveUp(limit: number, named: readonly string[]): void {
    for (const name of named) this.#loading.delete(name);
    for (const [name, { asked }] of this.#loading) {
      if (asked > limit) break;
      this.#loading.delete(name);
    }
    for (const [nonce, name] of this.#headQueries) {
      if (this.#loading.has(name)) break;
      this.#headQueries.delete(nonce);
    }
  }

  clear(): void {
    while (this.#known.oldest !== undefined) this.#known.delete(this.#known.oldest.name);
    this.#locked.clear();
    this.#loading.clear();
    this.#headQueries.clear();
    this.#absent.clear();
  }
}
