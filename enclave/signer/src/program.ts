import { utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { HashMap } from '@keystead/crypto/hash-map';
import type { EnclaveContext, Program } from '@keystead/enclave-runtime/program';
import { generationsOf, type WalletKey } from '@keystead/enclave-runtime/wallet-keys';
import { type KmsError, toKmsError } from '@keystead/protocol/errors';
import type { FromSigner, ToSigner } from '@keystead/protocol/frames';
import { Noted, Receipt } from '@keystead/protocol/receipt';
import { sealedRowHash } from '@keystead/protocol/sealed-row';
import { Made, Make, type Ticket, TicketBatch } from '@keystead/protocol/ticket';
import { Answers } from './answers.ts';
import {
  type AttachedRow,
  assertCeiling,
  assertDecision,
  assertKeyUse,
  authenticatedRequest,
  ownerEntryOf,
  walletLeafOf,
} from './checks.ts';
import { displayOf } from './display.ts';
import { type CommittedEntry, FreshReceipt, SeenHeads } from './history.ts';
import { ImportEnvelopes } from './import-envelope.ts';
import { Maker } from './maker.ts';
import type { Answer, SignerTools } from './method.ts';
import { signs, usesWallet, useNoWallet, useWallet } from './method-table.ts';
import { type CheckName, checkNames, refusal, within } from './refusal.ts';
import { OpenWallets } from './open-wallet.ts';
import { type HeldRequest, RequestTable } from './requests.ts';
import { Rewrapping } from './rewrapping.ts';
import { portableBackend, type SigningBackend } from './signing-backend.ts';
import { Vault } from './vault.ts';
import { WalletPublicKeys } from './wallet-public-keys.ts';
import { ProvenLeaves, Witness } from './witness.ts';

/** The signer (spec/signer.md): signs committed history and nothing else. */
export function createSigner(
  context: EnclaveContext,
  backend: SigningBackend = portableBackend,
): Program<ToSigner, FromSigner> {
  return new Signer(context, backend);
}

type TicketsMessage = Extract<ToSigner, { type: 'tickets' }>;
type MakeMessage = Extract<ToSigner, { type: 'make' }>;

class Signer implements Program<ToSigner, FromSigner> {
  send: (message: FromSigner) => void = () => {};
  readonly #context: EnclaveContext;
  readonly #requests: RequestTable;
  readonly #heads: SeenHeads;
  readonly #wallets: OpenWallets;
  readonly #proven = new ProvenLeaves();
  /** Of the newest ticket of the batch that is worked on. */
  #witness: Witness | undefined;
  readonly #tools: SignerTools;
  readonly #maker: Maker;
  readonly #answers: Answers;
  readonly #vault: Vault;
  /** Messages that came before the wallet keys. */
  readonly #early: ToSigner[] = [];
  readonly rewrapping: Rewrapping;
  #isOpen: boolean;
  /** Receipts from before may belong to floors that this start has not seen. */
  readonly #started: number;
  #signatures = 0;
  readonly #refused = new Map<CheckName | 'make-mac' | 'other', number>();

  constructor(context: EnclaveContext, backend: SigningBackend) {
    const { seed, random, clock, deploymentId, signSeed, settings, walletKeys } = context;
    this.#context = context;
    this.#started = clock();
    this.#requests = new RequestTable(clock, random);
    this.#heads = new SeenHeads(clock);
    this.#isOpen = walletKeys.length > 0;
    const vault = new Vault(walletKeys, random);
    this.#vault = vault;
    this.rewrapping = new Rewrapping(vault, clock);
    this.#tools = {
      deploymentId,
      random,
      envelopes: new ImportEnvelopes(seed, random),
      compatibilityImport: settings.compatibilityImport,
      publicKeys: new WalletPublicKeys(),
      backend,
    };
    const { publicKeys } = this.#tools;
    this.#wallets = new OpenWallets(vault, (row) => ({ backend, known: publicKeys.of(row) }));
    this.#maker = new Maker({ requests: this.#requests, vault, tools: this.#tools, clock });
    this.#answers = new Answers({ deploymentId, signSeed, clock, random });
  }

  /** Takes the wallet keys of now; with the first ones, what came before them. */
  useWalletKeys(keys: readonly WalletKey[]): void {
    this.#wallets.close();
    this.#vault.use(keys);
    this.#maker.forgetRows();
    this.#isOpen = true;
    const generations = generationsOf(keys);
    this.rewrapping.begin(generations);
    this.send({ type: 'walletKeys', ...generations });
    for (const message of this.#early.splice(0)) this.receive(message);
  }

  receive(message: ToSigner): void {
    if (!this.#isOpen) {
      this.#early.push(message);
      return;
    }
    switch (message.type) {
      case 'requests':
        this.#requests.hold(message.items.map(({ request }) => request));
        return;
      case 'make':
        this.#make(message);
        return;
      case 'tickets':
        this.#tickets(message);
        return;
      case 'rewrap':
        this.send({ type: 'rewrapped', id: message.id, rows: this.rewrapping.rewrap(message.rows) });
        return;
      case 'rewrapPass':
        this.rewrapping.notePass(message);
        return;
      case 'ping':
        this.send({ type: 'pong', id: message.id, metrics: this.#metrics() });
    }
  }

  turn(): void {
    this.#wallets.close();
    for (const answers of this.#answers.close()) this.send({ type: 'answers', answers });
  }

  #make({ make: message, sealed }: MakeMessage): void {
    let make: Make;
    try {
      make = Make.decode(this.#context.open('policy-to-signer', 'make', message));
    } catch {
      // Nobody can be answered: the identity is not authentic.
      this.#count('make-mac');
      this.#context.log('refused', { check: 'make-mac' });
      return;
    }
    const made = this.#maker.answer(make, sealed);
    this.send({ type: 'made', made: this.#context.seal('signer-to-policy', 'made', Made.encode(made)) });
  }

  #tickets(message: TicketsMessage): void {
    const receipt = this.#receipt(message);
    if (message.tickets === undefined) return;
    let batch: TicketBatch;
    try {
      batch = TicketBatch.decodeViews(
        this.#context.open('policy-to-signer', 'ticket-batch', message.tickets),
      );
    } catch (cause) {
      this.#refuseForged(
        message.tickets.bytes,
        refusal('ticket-mac', 'The tickets are not of the policy engine.', cause),
      );
      return;
    }
    const rows = new HashMap<AttachedRow>();
    for (const { sealed } of message.secrets) {
      const hash = sealedRowHash(sealed);
      rows.set(hash, { sealed, hash });
    }
    for (const ticket of batch.tickets) {
      const row = ticket.secret === undefined ? undefined : rows.get(ticket.secret);
      this.#ticket(ticket, receipt, row);
    }
    this.#witness = undefined;
  }

  /** Checks 2 and 3; every head of an authentic receipt counts as seen. */
  #receipt(message: TicketsMessage): FreshReceipt | KmsError {
    try {
      const receipt = within('receipt-mac', () =>
        Receipt.decodeViews(this.#context.open('certifier-to-signer', 'receipt', message.receipt)),
      );
      const fresh = new FreshReceipt(receipt, this.#context.clock(), this.#started);
      for (const { organization, head } of receipt.items) this.#heads.note(organization, head);
      this.#acknowledge(receipt);
      return fresh;
    } catch (error) {
      return toKmsError(error);
    }
  }

  /** A narrowing change is answered when this is known: from here on nothing below its floor is signed. */
  #acknowledge({ boot, batch, items }: Receipt): void {
    if (!items.some(({ position, head }) => head.floor >= position)) return;
    const noted = Noted.encode({ boot, batch });
    this.send({ type: 'noted', noted: this.#context.seal('signer-to-policy', 'noted', noted) });
  }

  #ticket(ticket: Ticket, receipt: FreshReceipt | KmsError, row: AttachedRow | undefined): void {
    let committed: CommittedEntry | undefined;
    try {
      if (!(receipt instanceof FreshReceipt)) throw receipt;
      const found = receipt.committed(ticket.entry, this.#heads);
      assertDecision(found.entry, ticket.identity);
      committed = found;
      const held = this.#requests.find(ticket.identity);
      if (held === undefined) throw neverGot();
      if (this.#answers.repeat(committed)) return;
      if (held.request === undefined) throw neverGot();
      const answer = this.#use({ ticket, committed, held: held.request, receipt, row });
      this.#answers.result(committed, answer);
      this.#requests.answered(held.request);
    } catch (thrown) {
      const error = toKmsError(thrown);
      this.#countRefusal(error);
      if (error.code === 'internal') this.#context.log('internal', { method: committed?.entry.method ?? '' });
      this.#answers.refuse(ticket.identity, error, committed);
    }
  }

  /** Checks 9 to 24, then the use. */
  #use(options: {
    readonly ticket: Ticket;
    readonly committed: CommittedEntry;
    readonly held: HeldRequest;
    readonly receipt: FreshReceipt;
    readonly row: AttachedRow | undefined;
  }): Answer {
    const { ticket, committed, held, receipt, row } = options;
    const { entry } = committed;
    const { identity } = ticket;
    const tools = this.#tools;
    const heads = this.#heads;
    const witness = new Witness(ticket.witness, this.#proven, this.#witness);
    this.#witness = witness;
    const { deploymentId } = tools;
    const authenticated = authenticatedRequest({ committed, held, receipt, witness, deploymentId });
    const { request } = authenticated;
    const display = displayOf(ticket.display);
    const { organization, authenticator: keyHash, time } = entry;
    const use = { request, tools, organization, keyHash, time, display };
    if (!usesWallet(request)) {
      assertCeiling(authenticated, null);
      const answer = useNoWallet(use as Parameters<typeof useNoWallet>[0]);
      if (answer === undefined) throw refusal('parse', 'The signer does not answer this method.');
      return answer;
    }
    const keyUse = assertKeyUse(request, identity, entry);
    assertCeiling(authenticated, keyUse.walletId);
    const owner = ownerEntryOf({ ticket, entry, keyUse, request, receipt, heads, witness, display });
    const leaf = walletLeafOf({ owner, walletId: keyUse.walletId, witness, row });
    const wallet =
      row === undefined ? undefined : this.#wallets.open(keyUse.walletId, row.sealed, leaf.secret);
    if (wallet === undefined) throw refusal('row', 'The sealed row does not open for the wallet.');
    if (wallet.kind !== leaf.kind) throw refusal('row', 'The sealed row is of another kind than the wallet.');
    const answer = useWallet({ ...use, keyUse, wallet } as Parameters<typeof useWallet>[0]);
    if (signs(request)) this.#signatures += 1;
    return answer;
  }

  /** Nothing is stated: whose requests these are is not authentic. */
  #refuseForged(bytes: Uint8Array, error: KmsError): void {
    this.#countRefusal(error);
    this.#context.log('refused', { check: 'ticket-mac' });
    try {
      for (const { identity } of TicketBatch.decode(bytes).tickets)
        this.#answers.refuseUnstated(identity, error);
    } catch {
      // Not even readable: the gateway's own time limit answers.
    }
  }

  #countRefusal(error: KmsError): void {
    const check = error.extra?.check;
    this.#count(checkNames.find((name) => name === check) ?? 'other');
  }

  #count(name: CheckName | 'make-mac' | 'other'): void {
    this.#refused.set(name, (this.#refused.get(name) ?? 0) + 1);
  }

  #metrics(): Uint8Array {
    return utf8Encode(
      canonicalize({
        signatures: this.#signatures,
        refused: Object.fromEntries(this.#refused),
        requestsHeld: this.#requests.size,
        answersRemembered: this.#answers.remembered,
        rowsMade: this.#maker.rows,
        rowsRewrapped: this.rewrapping.rewrapped,
        // Nobody is answered before there are wallet keys.
        walletKeyNewest: this.#vault.generations.newest,
        walletKeyOldest: this.#vault.generations.oldest,
        walletKeyComplete: this.rewrapping.isComplete ? 1 : 0,
        libraries: Object.fromEntries(this.#tools.backend.libraries.map((name) => [name, 1])),
      }),
    );
  }
}

const neverGot = (): KmsError => refusal('request', 'The signer did not get this request.');
