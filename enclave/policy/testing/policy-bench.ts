import assert from 'node:assert/strict';
import { base58Encode } from '@keystead/crypto/base58';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Decode, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import { sha256 } from '@keystead/crypto/sha256';
import type { JsonValue } from '@keystead/crypto/strict-json';
import { type InMemoryOptions, inMemoryDeployment } from '@keystead/enclave-runtime/in-memory-deployment';
import type { EnclaveContext, Program } from '@keystead/enclave-runtime/program';
import type { Statement } from '@keystead/protocol/answer';
import { verifyAnswer } from '@keystead/protocol/answer-signature';
import type { Role } from '@keystead/protocol/deployment';
import { Entry, type Head, zeroHash } from '@keystead/protocol/entry';
import {
  FromPolicy,
  RawRequest,
  routeRpc,
  type RowQuery,
  surfaceCompatibility,
  surfaceNative,
  ToPolicy,
} from '@keystead/protocol/frames';
import {
  type Advance,
  AdvanceOrder,
  HeadAnswer,
  HeadQuery,
  Noted,
  Receipt,
  type ReceiptItem,
  ReceiptQuery,
} from '@keystead/protocol/receipt';
import { contentDigest, signatureBase, signatureParameters } from '@keystead/protocol/stamp';
import { Made, Make, type Ticket, TicketBatch } from '@keystead/protocol/ticket';
import { createPolicyEngine } from '../src/program.ts';

/**
 * Gateway, store, certifier, signer and callers played by hand, with real codecs and keys, against one policy engine
 * in this process. Time stands still unless a test moves it, and nothing runs unless a test says so.
 */

export const seedOf = (name: string): Uint8Array => sha256(utf8Encode(`key of ${name}`));
export const solanaPath = "m/44'/501'/0'/0'";

export interface Answered {
  readonly status: number;
  readonly body: Record<string, JsonValue>;
  readonly statement: Statement | null;
}

export interface Ticketed {
  readonly ticket: Ticket;
  readonly entry: Entry;
  readonly ownerEntry: Entry | undefined;
  readonly items: readonly ReceiptItem[];
}

interface StoredEntry {
  readonly bytes: Uint8Array;
  readonly checkpoint: boolean;
}

/** What a test plays differently from an honest host, certifier or signer. */
export interface Plays {
  /** Rows as the store answers them. */
  rows?: (query: RowQuery, rows: Uint8Array[]) => Uint8Array[];
  /** A code refuses the group. */
  refuse?: (group: readonly Advance[]) => string | undefined;
  receipt?: (receipt: Receipt) => Receipt;
  made?: (made: Made) => Made;
  /** False: the signer does not say that it has noted floors. */
  notes?: boolean;
  /** Messages to the engine of these types wait until `release`. */
  hold?: ReadonlySet<ToPolicy['type']>;
}

export class PolicyBench {
  now = Date.UTC(2026, 10, 20, 12);
  readonly roles: Record<Role, EnclaveContext>;
  readonly entries = new Map<string, Map<number, StoredEntry>>();
  readonly nodes = new Map<string, Uint8Array>();
  readonly owners = new Map<string, Uint8Array>();
  readonly heads = new Map<string, Head>();
  readonly history = new Map<string, Omit<ReceiptItem, 'head'>>();
  readonly answers = new Map<number, Answered>();
  readonly tickets = new Map<number, Ticketed>();
  readonly batches: Extract<FromPolicy, { type: 'batch' }>[] = [];
  readonly groups: Advance[][] = [];
  readonly makes: Make[] = [];
  readonly queries: RowQuery[] = [];
  readonly logged: string[] = [];
  plays: Plays = {};
  engine!: Program<ToPolicy, FromPolicy>;
  #context!: EnclaveContext;
  #sent: FromPolicy[] = [];
  #inbox: ToPolicy[] = [];
  #held: ToPolicy[] = [];
  #requests: { ref: number; owner: undefined; request: Uint8Array }[] = [];
  #raws = new Map<number, RawRequest>();
  #nextRef = 1;
  #starts = 0;
  #calls = 0;

  constructor(options: Omit<InMemoryOptions, 'clock' | 'log'> = {}) {
    this.roles = inMemoryDeployment({
      ...options,
      clock: () => this.now,
      log: (event) => this.logged.push(event),
    });
    this.restart();
  }

  /** The policy engine starts again: nothing of its memory is left. */
  restart(): void {
    this.#starts += 1;
    const boot = sha256(utf8Encode(`start ${this.#starts}`)).slice(0, 16);
    this.#context = Object.freeze({ ...this.roles.policy, boot });
    const engine = createPolicyEngine(this.#context);
    engine.send = (message) => {
      if (engine === this.engine) this.#sent.push(FromPolicy.decode(FromPolicy.encode(message)));
    };
    this.engine = engine;
    this.#inbox = [];
    this.#held = [];
  }

  // Callers

  /** A stamped request of the compatibility surface; every call is another one. */
  call(method: string, params: object, key = 'root', changes: Record<string, unknown> = {}): RawRequest {
    this.#calls += 1;
    const body = utf8Encode(
      JSON.stringify({ method, params, timestampMs: this.now - this.#calls, ...changes }),
    );
    return this.stamped(body, key);
  }

  stamped(body: Uint8Array, key = 'root', signature = ed25519.sign(seedOf(key), body)): RawRequest {
    const stamp = {
      publicKey: base64urlEncode(ed25519.publicKey(seedOf(key))),
      signature: base64urlEncode(signature),
      kind: 'PKI',
      algorithm: 'Ed25519',
    };
    return {
      ...absent,
      surface: surfaceCompatibility,
      route: routeRpc,
      path: '/v1/wallets/kms/rpc',
      phantomStamp: base64urlEncode(utf8Encode(JSON.stringify(stamp))),
      body,
    };
  }

  /** A stamped request of the native surface. */
  nativeCall(method: string, params: object, key = 'root', seen = 'none'): RawRequest {
    this.#calls += 1;
    const body = utf8Encode(JSON.stringify({ method, params }));
    const created = Math.floor(this.now / 1000);
    const parameters = signatureParameters({
      created,
      expires: created + 60,
      nonce: String(this.#calls).padStart(16, 'n'),
      algorithm: 'ed25519',
      publicKey: ed25519.publicKey(seedOf(key)),
    });
    const fields = {
      path: '/v1/rpc',
      deployment: base64urlEncode(this.roles.policy.deploymentId),
      origin: 'none',
      seen,
    };
    const signature = ed25519.sign(seedOf(key), signatureBase({ ...fields, body, parameters }));
    return {
      ...absent,
      ...fields,
      surface: surfaceNative,
      route: routeRpc,
      signatureInput: `keystead=${parameters}`,
      signature: `keystead=:${Buffer.from(signature).toString('base64')}:`,
      contentDigest: contentDigest(body),
      body,
    };
  }

  founding(key = 'root', name = 'Acme'): RawRequest {
    return this.call(
      'createOrganization',
      {
        organizationName: name,
        users: [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair(key)] }],
        tags: [],
      },
      key,
    );
  }

  /** Founds an organization and returns its id. */
  found(key = 'root', name = 'Acme'): string {
    const answer = this.ask(this.founding(key, name));
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return String(answer.body.organizationId);
  }

  /** Adds a user with one key of its own name. */
  addUser(organizationId: string, username: string, preset = 'LEGACY_USER_ROLE'): Answered {
    return this.ask(this.addingUser(organizationId, username, preset));
  }

  addingUser(organizationId: string, username: string, preset = 'LEGACY_USER_ROLE'): RawRequest {
    return this.call('addUserToOrganization', {
      organizationId,
      user: { username, policy: { type: 'CEL', preset }, authenticators: [keypair(username)] },
    });
  }

  /** Makes a wallet and returns its id. */
  makeWallet(organizationId: string, key = 'root'): string {
    const call = this.call('createWallet', { organizationId, walletName: 'W', accounts: [solanaPath] }, key);
    const { entry } = this.ticketFor(call);
    return uuidText(entry.keyUse!.walletId);
  }

  signing(organizationId: string, walletId: string, message = 'hello', key = 'root'): RawRequest {
    const derivationInfo = { derivationPath: solanaPath, curve: 'Ed25519', addressFormat: 'Solana' };
    return this.call(
      'signUtf8Message',
      { organizationId, walletId, message, algorithm: 'Ed25519', derivationInfo },
      key,
    );
  }

  /** Hands a request over with the next turn. */
  submit(raw: RawRequest): number {
    const ref = this.#nextRef++;
    this.#raws.set(ref, raw);
    this.#requests.push({ ref, owner: undefined, request: RawRequest.encode(raw) });
    return ref;
  }

  /** The answer of the policy engine to one request, which must come. */
  ask(raw: RawRequest): Answered {
    const ref = this.submit(raw);
    this.run();
    return this.answered(ref);
  }

  answered(ref: number): Answered {
    const answer = this.answers.get(ref);
    assert.ok(answer, this.tickets.has(ref) ? 'a ticket instead of an answer' : 'no answer');
    return answer;
  }

  /** The ticket that the signer gets for one request. */
  ticketFor(raw: RawRequest): Ticketed {
    const ref = this.submit(raw);
    this.run();
    return this.ticketed(ref);
  }

  ticketed(ref: number): Ticketed {
    const ticket = this.tickets.get(ref);
    assert.ok(ticket, JSON.stringify(this.answers.get(ref)?.body ?? 'no ticket'));
    return ticket;
  }

  // The host

  deliver(message: ToPolicy): void {
    this.#inbox.push(message);
  }

  /** Turns until nothing is left to carry. */
  run(): void {
    while (this.turn());
  }

  /** One turn of the engine with everything that has arrived; false when nothing had. */
  turn(): boolean {
    const messages = this.#inbox;
    this.#inbox = [];
    if (this.#requests.length > 0) {
      messages.unshift({ type: 'requests', items: this.#requests });
      this.#requests = [];
    }
    if (messages.length === 0) return false;
    for (const message of messages) this.engine.receive(ToPolicy.decode(ToPolicy.encode(message)));
    this.engine.turn();
    for (const message of this.#sent.splice(0)) this.#carry(message);
    return true;
  }

  /** Gives the engine what was held. */
  release(): void {
    this.#inbox.push(...this.#held.splice(0));
    this.plays = { ...this.plays, hold: undefined };
  }

  /** Gives the engine the oldest message that was held; the others stay. */
  releaseOne(): void {
    this.#inbox.push(...this.#held.splice(0, 1));
  }

  /** What was held is lost. */
  lose(): void {
    this.#held = [];
    this.plays = { ...this.plays, hold: undefined };
  }

  /** The signer's word that it has noted the floors of a receipt. */
  note({ boot, batch }: Receipt): void {
    const noted = Noted.encode({ boot, batch });
    this.#toEngine({ type: 'noted', noted: this.roles.signer.seal('signer-to-policy', 'noted', noted) });
  }

  #toEngine(message: ToPolicy): void {
    (this.plays.hold?.has(message.type) ? this.#held : this.#inbox).push(message);
  }

  #carry(message: FromPolicy): void {
    switch (message.type) {
      case 'batch':
        this.#commit(message);
        return;
      case 'answers':
        for (const { refs, answer } of message.answers)
          for (const ref of refs) {
            assert.ok(!this.answers.has(ref), 'two answers to one request');
            this.answers.set(ref, this.#verified(answer));
          }
        return;
      case 'make':
        this.#make(Make.decode(this.roles.signer.open('policy-to-signer', 'make', message.make)));
        return;
      case 'queryRows':
        for (const { id, query } of message.queries) {
          this.queries.push(query);
          const rows = this.#rows(query);
          this.#toEngine({ type: 'rows', answers: [{ id, rows: this.plays.rows?.(query, rows) ?? rows }] });
        }
        return;
      case 'queryHead': {
        const query = HeadQuery.decode(
          this.roles.certifier.open('policy-to-certifier', 'head-query', message.query),
        );
        const head = this.heads.get(hexEncode(query.organization));
        const answer = HeadAnswer.encode({
          ...query,
          head,
          time: this.now,
          unconfirmed: false,
          since: 0,
        });
        this.#toEngine({
          type: 'head',
          answer: this.roles.certifier.seal('certifier-to-policy', 'head-answer', answer),
        });
        return;
      }
      case 'pong':
        return;
    }
  }

  #verified({
    identity,
    status,
    body,
    signature,
  }: {
    identity: Uint8Array;
    status: number;
    body: Uint8Array;
    signature: Uint8Array;
  }): Answered {
    const parsed = JSON.parse(utf8Decode(body)) as Record<string, JsonValue>;
    if (signature.length === 0) return { status, body: parsed, statement: null };
    const { deployment: deploymentKeys, deploymentId } = this.roles.policy;
    const statement = verifyAnswer({
      signature,
      deploymentKeys,
      deploymentId,
      identity,
      status,
      body: parsed,
    });
    return { status, body: parsed, statement };
  }

  #commit(message: Extract<FromPolicy, { type: 'batch' }>): void {
    this.batches.push(message);
    for (const { organization, position, bytes, checkpoint } of message.rows.entries) {
      const name = hexEncode(organization);
      const chain = this.entries.get(name) ?? new Map<number, StoredEntry>();
      this.entries.set(name, chain.set(position, { bytes, checkpoint }));
    }
    for (const { hash, bytes } of message.rows.nodes) this.nodes.set(hexEncode(hash), bytes);
    for (const { walletId, organization } of message.rows.owners)
      this.owners.set(hexEncode(walletId), organization);
    const receipt =
      message.advance !== undefined
        ? this.#advance(message.advance)
        : message.query !== undefined
          ? this.#receiptFor(message.query)
          : undefined;
    if (receipt === undefined) return;
    const played = Receipt.encode(this.plays.receipt?.(receipt) ?? receipt);
    this.#toEngine({
      type: 'receipt',
      receipt: this.roles.certifier.seal('certifier-to-policy', 'receipt', played),
    });
    if (this.plays.notes !== false) this.note(receipt);
    if (message.tickets === undefined) return;
    const { tickets } = TicketBatch.decode(
      this.roles.signer.open('policy-to-signer', 'ticket-batch', message.tickets),
    );
    for (const [index, { refs, identity, secret }] of message.waiting.entries()) {
      const ticket = tickets[index];
      assert.ok(equalBytes(ticket.identity, identity));
      assert.deepEqual(ticket.secret, secret);
      const ticketed = {
        ticket,
        entry: Entry.decode(ticket.entry),
        ownerEntry: ticket.ownerEntry === undefined ? undefined : Entry.decode(ticket.ownerEntry),
        items: receipt.items,
      };
      for (const ref of refs) this.tickets.set(ref, ticketed);
    }
  }

  #rows(query: RowQuery): Uint8Array[] {
    switch (query.kind) {
      case 'entries': {
        const chain = this.entries.get(hexEncode(query.organization));
        const rows: Uint8Array[] = [];
        for (let position = query.from; rows.length < query.limit; position += 1) {
          const row = chain?.get(position);
          if (row === undefined) break;
          rows.push(row.bytes);
        }
        return rows;
      }
      case 'newestCheckpoint': {
        const chain = this.entries.get(hexEncode(query.organization)) ?? new Map<number, StoredEntry>();
        const found = [...chain].filter(([at, { checkpoint }]) => checkpoint && at <= query.atMost);
        if (found.length === 0) return [];
        const position = new Uint8Array(8);
        new DataView(position.buffer).setBigUint64(0, BigInt(Math.max(...found.map(([at]) => at))));
        return [position];
      }
      case 'node':
        return [this.nodes.get(hexEncode(query.hash))].filter((row) => row !== undefined);
      case 'ownerOf':
        return [this.owners.get(hexEncode(query.walletId))].filter((row) => row !== undefined);
    }
  }

  // The certifier

  #advance(sealed: { bytes: Uint8Array; mac: Uint8Array }): Receipt {
    const order = AdvanceOrder.decode(
      this.roles.certifier.open('policy-to-certifier', 'advance-order', sealed),
    );
    const items: Omit<ReceiptItem, 'head'>[] = [];
    const refused: Receipt['refused'] = [];
    for (const group of order.groups) {
      this.groups.push(group);
      const code = this.plays.refuse?.(group) ?? (this.#moves(group) ? undefined : 'head-moved');
      if (code !== undefined) {
        for (const { organization } of group) refused.push({ organization, code });
        continue;
      }
      for (const { organization, from, to, entries } of group) {
        this.heads.set(hexEncode(organization), to);
        for (const [index, { position, hash }] of entries.entries()) {
          const authorityAfter = index === entries.length - 1 ? to.authority : from.authority;
          const item = { organization, position, hash, authorityBefore: from.authority, authorityAfter };
          this.history.set(hexEncode(hash), item);
          items.push(item);
        }
      }
    }
    return this.#receipt(order, items, refused);
  }

  #moves(group: readonly Advance[]): boolean {
    return group.every(({ organization, from, to, entries }) => {
      const head = this.heads.get(hexEncode(organization)) ?? noHead;
      const isContiguous = entries.every(({ position }, index) => position === from.position + 1 + index);
      const last = entries.at(-1);
      return (
        head.position === from.position &&
        head.floor === from.floor &&
        equalBytes(head.hash, from.hash) &&
        equalBytes(head.authority, from.authority) &&
        isContiguous &&
        last?.position === to.position &&
        equalBytes(last.hash, to.hash)
      );
    });
  }

  #receiptFor(sealed: { bytes: Uint8Array; mac: Uint8Array }): Receipt {
    const query = ReceiptQuery.decode(
      this.roles.certifier.open('policy-to-certifier', 'receipt-query', sealed),
    );
    const items: Omit<ReceiptItem, 'head'>[] = [];
    const refused: Receipt['refused'] = [];
    for (const { organization, hash } of query.items) {
      const known = this.history.get(hexEncode(hash));
      if (known === undefined) refused.push({ organization, code: 'not-recent' });
      else items.push(known);
    }
    return this.#receipt(query, items, refused);
  }

  #receipt(
    { boot, batch }: { readonly boot: Uint8Array; readonly batch: number },
    items: readonly Omit<ReceiptItem, 'head'>[],
    refused: Receipt['refused'],
  ): Receipt {
    return {
      boot,
      batch,
      time: this.now,
      size: this.history.size,
      root: zeroHash,
      items: items.map((item) => ({ ...item, head: this.heads.get(hexEncode(item.organization))! })),
      refused,
    };
  }

  // The signer

  #make(make: Make): void {
    this.makes.push(make);
    const account = (derivationPath: string) => {
      const key = base58Encode(sha256(utf8Encode(`${uuidText(make.walletId)} ${derivationPath}`)));
      return { curve: 'Ed25519', derivationPath, addressFormat: 'Solana', address: key, publicKey: key };
    };
    const isNew = make.secret === undefined;
    const sealed = isNew ? utf8Encode(`row of ${hexEncode(make.walletId)}`) : new Uint8Array(0);
    const paths = isNew ? [solanaPath] : make.paths.map(({ derivationPath }) => derivationPath);
    const made: Made = {
      ...make,
      refusal: new Uint8Array(0),
      secret: isNew ? sha256(sealed) : zeroHash,
      sealed,
      accounts: utf8Encode(canonicalize({ type: 'MNEMONIC', accounts: paths.map(account) })),
    };
    const played = Made.encode(this.plays.made?.(made) ?? made);
    this.#toEngine({ type: 'made', made: this.roles.signer.seal('signer-to-policy', 'made', played) });
  }

  // What tests look at

  /** The entries of an organization as the store holds them, oldest first. */
  chain(organizationId: string): Entry[] {
    const chain = this.entries.get(organizationId.replaceAll('-', '')) ?? new Map<number, StoredEntry>();
    return [...chain]
      .sort(([a], [b]) => a - b)
      .map(([, { bytes }]) => Entry.decode(bytes.slice(0, bytes.length - 32)));
  }

  head(organizationId: string): Head {
    return this.heads.get(organizationId.replaceAll('-', '')) ?? noHead;
  }
}

const noHead: Head = { position: 0, hash: zeroHash, authority: zeroHash, floor: 0 };

const absent = {
  signatureInput: undefined,
  signature: undefined,
  contentDigest: undefined,
  deployment: undefined,
  origin: undefined,
  seen: undefined,
  phantomStamp: undefined,
};

/** A new authenticator as requests of the compatibility surface name it. */
export function keypair(name: string): Record<string, unknown> {
  return {
    authenticatorName: name,
    authenticatorKind: 'keypair',
    publicKey: base64urlEncode(ed25519.publicKey(seedOf(name))),
    algorithm: 'Ed25519',
  };
}

export function uuidText(id: Uint8Array): string {
  return hexEncode(id).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** An organization and a wallet of its own. */
export function withWallet() {
  const bench = new PolicyBench();
  const organizationId = bench.found();
  return { bench, organizationId, walletId: bench.makeWallet(organizationId) };
}

/** An organization with so many entries, of which the last are signatures. */
export function withEntries(count: number) {
  const made = withWallet();
  const { bench, organizationId, walletId } = made;
  for (let i = bench.head(organizationId).position; i < count; i += 1)
    bench.submit(bench.signing(organizationId, walletId, `message ${i}`));
  bench.run();
  assert.equal(bench.head(organizationId).position, count);
  return made;
}

/** An organization with so many entries, of which all but the first make a wallet: each writes cells of its own. */
export function withWallets(count: number) {
  const made = withWallet();
  const { bench, organizationId } = made;
  for (let i = bench.head(organizationId).position; i < count; i += 1)
    bench.submit(bench.call('createWallet', { organizationId, walletName: `W${i}`, accounts: [solanaPath] }));
  bench.run();
  assert.equal(bench.head(organizationId).position, count);
  return made;
}

/** A row with one bit changed. */
export function flipped(row: Uint8Array): Uint8Array {
  const changed = row.slice();
  changed[Math.floor(row.length / 2)] ^= 1;
  return changed;
}

/** Text form of the id that begins this hexadecimal text. */
export const hexToUuid = (hex: string): string =>
  hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');

/** The engine's own counters. */
export function metrics(bench: PolicyBench): Record<string, number> {
  let told: Record<string, number> = {};
  const { send } = bench.engine;
  bench.engine.send = (message) => {
    if (message.type === 'pong') told = JSON.parse(Buffer.from(message.metrics).toString('utf8'));
    else send(message);
  };
  bench.engine.receive({ type: 'ping', id: 1 });
  bench.engine.send = send;
  return told;
}

export const reading = (bench: PolicyBench, organizationId: string, key = 'root') =>
  bench.call('getOrganization', { organizationId }, key);
