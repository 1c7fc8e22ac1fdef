import { base64urlEncode } from '@keystead/crypto/base64url';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import { emptyMapRoot, MerkleMap } from '@keystead/crypto/merkle-map';
import type { Static } from '@keystead/crypto/pack';
import { sha256 } from '@keystead/crypto/sha256';
import { inMemoryDeployment } from '@keystead/enclave-runtime/in-memory-deployment';
import type { EnclaveSettings } from '@keystead/enclave-runtime/program';
import { callerOf } from '@keystead/protocol/authenticate';
import { AuthorityLeaf } from '@keystead/protocol/authority';
import { authorityChange } from '@keystead/protocol/authority-change';
import type { AuthorityChange, AuthorityWriteOf } from '@keystead/protocol/authority-change/change';
import {
  checkpointInterval,
  Entry,
  entryHash,
  entryKind,
  entryVersion,
  type Head,
  outcomeAllow,
  zeroHash,
} from '@keystead/protocol/entry';
import { KeptRow, RawRequest, routeRpc, surfaceCompatibility } from '@keystead/protocol/frames';
import { formatUuid, organizationIdOf } from '@keystead/protocol/ids';
import { entryLeaf } from '@keystead/protocol/log-leaf';
import { type Advance, AdvanceOrder, AuthorityEvidence } from '@keystead/protocol/receipt';
import { parseRequest } from '@keystead/protocol/request';
import { parseStamp, requestIdentity } from '@keystead/protocol/stamp';
import { zeroHead } from '../src/advance-rules.ts';

/** A policy engine for the certifier's tests: it keeps authority sets, and writes whatever a test wants. */

export interface TestKey {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
}

export function testKey(number: number): TestKey {
  const seed = new Uint8Array(32).fill(number);
  return { seed, publicKey: ed25519.publicKey(seed) };
}

export interface TestOrganization {
  readonly id: Uint8Array;
  readonly idText: string;
  readonly logKey: Uint8Array;
  readonly nodes: Map<string, Uint8Array>;
  head: Head;
}

type Evidence = Static<typeof AuthorityEvidence>;

export interface Decision {
  readonly made?: { readonly secret: Uint8Array; readonly kind: number };
  readonly evictedUser?: string;
  readonly walletGrants?: readonly Uint8Array[];
  readonly kind?: number;
  readonly counterpart?: Uint8Array;
  /** Stands for the change that the rules give. */
  readonly change?: Pick<AuthorityChange, 'writes' | 'narrowing'>;
  readonly floor?: number;
  /** Edits the entry before it is hashed. */
  readonly edit?: (entry: Entry) => Entry;
  readonly editEvidence?: (evidence: Evidence) => Evidence;
}

export class TestEngine {
  now = 1_795_170_280_000;
  /** What of `now` is a clock that was set, and not time that passed. */
  jumped = 0;
  readonly contexts;
  readonly log: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  #batch = 0;
  readonly #rows = new Map<string, Uint8Array>();

  constructor(settings: Partial<EnclaveSettings> = {}) {
    let counter = 0;
    this.contexts = inMemoryDeployment({
      settings,
      clock: () => this.now,
      passed: () => this.now - this.jumped,
      random: (length) => sha256(Uint8Array.of(1, counter++ & 255, counter >> 8)).slice(0, length),
      log: (event, fields = {}) => this.log.push({ event, fields }),
    });
  }

  /** A request of the compatibility surface with its stamp. */
  stamped(key: TestKey, method: string, params: unknown, timestampMs: number = this.now): RawRequest {
    const body = utf8Encode(JSON.stringify({ method, params, timestampMs }));
    const stamp = {
      publicKey: base64urlEncode(key.publicKey),
      signature: base64urlEncode(ed25519.sign(key.seed, body)),
      kind: 'PKI',
      algorithm: 'Ed25519',
    };
    return {
      surface: surfaceCompatibility,
      route: routeRpc,
      path: '/v1/wallets/kms/rpc',
      signatureInput: undefined,
      signature: undefined,
      contentDigest: undefined,
      deployment: undefined,
      origin: undefined,
      seen: undefined,
      phantomStamp: base64urlEncode(utf8Encode(JSON.stringify(stamp))),
      body,
    };
  }

  /** The organization that a founding request is about, not yet founded. */
  organizationOf(founding: RawRequest): TestOrganization {
    const id = organizationIdOf(
      this.contexts.policy.deploymentId,
      requestIdentity(parseStamp(founding), founding.body),
    );
    return { id, idText: formatUuid(id), logKey: sha256(id), nodes: new Map(), head: zeroHead };
  }

  founding(key: TestKey, name = 'Acme'): RawRequest {
    return this.stamped(key, 'createOrganization', {
      organizationName: name,
      users: [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair(key)] }],
    });
  }

  leaf(organization: TestOrganization, key: Uint8Array, root = organization.head.authority) {
    const bytes = this.#map(organization, root).get(key);
    return bytes === undefined ? undefined : AuthorityLeaf.decode(bytes);
  }

  /** The advance of one request that changes the authority set. `organization` moves along. */
  change(organization: TestOrganization, raw: RawRequest, decision: Decision = {}): Advance {
    const stamp = parseStamp(raw);
    const request = parseRequest('compatibility', 'rpc', raw.body);
    const identity = requestIdentity(stamp, raw.body);
    const isGenesis = request.method === 'createOrganization';
    const map = this.#map(organization, organization.head.authority);
    const read = (key: Uint8Array) => {
      const bytes = map.get(key);
      return bytes === undefined ? undefined : AuthorityLeaf.decode(bytes);
    };
    let ruled: AuthorityChange | undefined;
    try {
      ruled = authorityChange({
        request,
        stamp,
        identity,
        deploymentId: this.contexts.policy.deploymentId,
        organization: organization.id,
        caller: isGenesis ? null : callerOf(read, stamp.keyHash),
        time: this.now,
        made: decision.made ?? null,
        evictedUser: decision.evictedUser ?? null,
        approvals: [],
        walletGrants: decision.walletGrants ?? [],
        read,
      });
    } catch (error) {
      // An engine that writes its own change still reads what the rules read.
      if (decision.change === undefined) throw error;
    }
    const change = decision.change ?? ruled!;
    const { from, entry, encoded, witness } = this.#append(
      organization,
      map,
      {
        kind: isGenesis ? entryKind.genesis : entryKind.decision,
        identity,
        bodyDigest: sha256(raw.body),
        method: request.method,
        surface: raw.surface,
        authenticator: stamp.keyHash,
        counterpart: decision.change === undefined ? ruled?.counterpart?.organization : undefined,
      },
      change,
      decision,
    );
    const evidence: Evidence = { entry: encoded, request: RawRequest.encode(raw), witness };
    return {
      organization: organization.id,
      from,
      to: organization.head,
      entries: [this.advanceEntry(organization, entry.position, organization.head.hash)],
      evidence: AuthorityEvidence.encode(decision.editEvidence?.(evidence) ?? evidence),
    };
  }

  /** The advances of a transfer: the giver's and the receiver's. */
  transfer(
    giver: TestOrganization,
    receiver: TestOrganization,
    raw: RawRequest,
    writesOf: (writes: readonly AuthorityWriteOf[]) => readonly AuthorityWriteOf[] = (writes) => writes,
    decision: Decision = {},
  ): [Advance, Advance] {
    const stamp = parseStamp(raw);
    const map = this.#map(giver, giver.head.authority);
    const read = (key: Uint8Array) => {
      const bytes = map.get(key);
      return bytes === undefined ? undefined : AuthorityLeaf.decode(bytes);
    };
    const identity = requestIdentity(stamp, raw.body);
    const { counterpart } = authorityChange({
      request: parseRequest('compatibility', 'rpc', raw.body),
      stamp,
      identity,
      deploymentId: this.contexts.policy.deploymentId,
      organization: giver.id,
      caller: callerOf(read, stamp.keyHash),
      time: this.now,
      made: null,
      evictedUser: null,
      approvals: [],
      walletGrants: [],
      read,
    });
    const given = this.change(giver, raw, decision);
    const received = this.change(receiver, raw, {
      kind: entryKind.transferIn,
      counterpart: giver.id,
      change: { writes: writesOf(counterpart!.writes), narrowing: false },
    });
    return [given, received];
  }

  /** An advance of `count` entries that leave the authority set as it is. */
  plain(organization: TestOrganization, count = 1, floor = organization.head.floor): Advance {
    const from = organization.head;
    const entries: Advance['entries'] = [];
    for (let index = 0; index < count; index++) {
      const map = this.#map(organization, organization.head.authority);
      this.#append(
        organization,
        map,
        {
          kind: entryKind.decision,
          identity: sha256(utf8Encode(`${organization.idText} ${organization.head.position}`)),
          bodyDigest: zeroHash,
          method: 'signUtf8Message',
          surface: surfaceCompatibility,
          authenticator: zeroHash,
          counterpart: undefined,
        },
        { writes: [], narrowing: false },
        { floor },
      );
      const { position, hash } = organization.head;
      entries.push(this.advanceEntry(organization, position, hash));
    }
    return { organization: organization.id, from, to: organization.head, entries, evidence: undefined };
  }

  advanceEntry(
    organization: TestOrganization,
    position: number,
    hash: Uint8Array,
  ): Advance['entries'][number] {
    return {
      position,
      hash,
      ...entryLeaf(organization.logKey, position, hash),
      time: this.now,
    };
  }

  /** The frame that carries an order, with the rows of its entries. */
  order(groups: Advance[][]) {
    this.#batch += 1;
    const order = AdvanceOrder.encode({ boot: this.contexts.policy.boot, batch: this.#batch, groups });
    return {
      type: 'advance' as const,
      order: this.contexts.policy.seal('policy-to-certifier', 'advance-order', order),
      rows: groups.flatMap((group) =>
        group.flatMap(({ organization, entries }) =>
          entries.map(({ hash, position }) => this.keptRowOf(organization, position, hash)),
        ),
      ),
    };
  }

  /** The writes of the entry that ends an advance with evidence. */
  writesOf(advance: Advance): AuthorityWriteOf[] {
    return Entry.decode(AuthorityEvidence.decode(advance.evidence!).entry).authority.map(
      ({ key, value }) => ({
        key,
        leaf: value === undefined ? undefined : AuthorityLeaf.decode(value),
      }),
    );
  }

  /** The sealed row of an entry: its bytes and a MAC. */
  rowOf(hash: Uint8Array): Uint8Array {
    return this.#rows.get(hexEncode(hash)) ?? new Uint8Array(40);
  }

  keptRowOf(organization: Uint8Array, position: number, hash: Uint8Array): Uint8Array {
    const checkpoint = position % checkpointInterval === 0;
    return KeptRow.encode({ row: 'entry', organization, position, bytes: this.rowOf(hash), checkpoint });
  }

  #map(organization: TestOrganization, root: Uint8Array): MerkleMap {
    return new MerkleMap(root.every((byte) => byte === 0) ? emptyMapRoot() : root, {
      node: (hash) => organization.nodes.get(hexEncode(hash)),
    });
  }

  #append(
    organization: TestOrganization,
    map: MerkleMap,
    fields: Pick<
      Entry,
      'kind' | 'identity' | 'bodyDigest' | 'method' | 'surface' | 'authenticator' | 'counterpart'
    >,
    change: Pick<AuthorityChange, 'writes' | 'narrowing'>,
    decision: Decision,
  ) {
    const from = organization.head;
    for (const { key } of change.writes) map.get(key);
    for (const { key, leaf } of change.writes) {
      if (leaf === undefined) map.delete(key);
      else map.set(key, AuthorityLeaf.encode(leaf));
    }
    const witness = map.witness().map(({ bytes }) => bytes);
    for (const { hash, bytes } of map.newNodes()) organization.nodes.set(hexEncode(hash), bytes);
    const position = from.position + 1;
    const made: Entry = {
      version: entryVersion,
      organization: organization.id,
      position,
      previous: from.hash,
      time: this.now,
      ...fields,
      kind: decision.kind ?? fields.kind,
      counterpart: decision.counterpart ?? fields.counterpart,
      authorityBefore: from.authority,
      authorityAfter: map.root(),
      decision: { outcome: outcomeAllow, code: '', rule: 'test', trace: [] },
      effects: new Uint8Array(0),
      reservations: [],
      places: [],
      keyUse: undefined,
      result: new Uint8Array(0),
      cells: [],
      authority: change.writes.map(({ key, leaf }) => ({
        key,
        value: leaf === undefined ? undefined : AuthorityLeaf.encode(leaf),
      })),
      stateRoot: undefined,
    };
    const entry = decision.edit?.(made) ?? made;
    const encoded = Entry.encode(entry);
    const hash = entryHash(encoded);
    this.#rows.set(hexEncode(hash), concatBytes(encoded, new Uint8Array(32).fill(9)));
    organization.head = {
      position,
      hash,
      authority: entry.authorityAfter,
      floor: decision.floor ?? (change.narrowing ? position : from.floor),
    };
    return { from, entry, encoded, witness };
  }
}

/** Parameters that register a key. */
export function keypair(key: TestKey, more: Readonly<Record<string, unknown>> = {}) {
  return {
    authenticatorName: 'key',
    authenticatorKind: 'keypair',
    publicKey: base64urlEncode(key.publicKey),
    algorithm: 'Ed25519',
    ...more,
  };
}
