import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import type { Program } from '@keystead/enclave-runtime/program';
import { FromCertifier, ToCertifier } from '@keystead/protocol/frames';
import { type Advance, HeadAnswer, HeadQuery, Receipt, ReceiptQuery } from '@keystead/protocol/receipt';
import { createCertifier } from '../src/program.ts';
import type { TestEngine } from './engine.ts';

/** A heads log in memory. With `held` set, appends wait for `release`. */
export class MemoryHeads implements HeadsPort {
  records: { sequence: number; record: Uint8Array }[] = [];
  snapshotBytes: Uint8Array | undefined;
  snapshotSequence = 0;
  held = false;
  #waiting: (() => void)[] = [];

  async load() {
    return { snapshot: this.snapshotBytes, snapshotSequence: this.snapshotSequence, records: this.records };
  }

  append(sequence: number, record: Uint8Array): Promise<void> {
    const newest = this.records.at(-1)?.sequence ?? this.snapshotSequence;
    if (sequence !== newest + 1 + this.#waiting.length) throw new Error(`sequence ${sequence}`);
    return new Promise((resolve) => {
      this.#waiting.push(() => {
        this.records.push({ sequence, record: record.slice() });
        resolve();
      });
      if (!this.held) this.release();
    });
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  release(count = this.#waiting.length): void {
    for (const make of this.#waiting.splice(0, count)) make();
  }

  async snapshot(sequence: number, state: Uint8Array): Promise<void> {
    this.snapshotSequence = sequence;
    this.snapshotBytes = state.slice();
  }
}

export const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

interface AskedEntry {
  organization: Uint8Array;
  position: number;
  hash: Uint8Array;
}

/** One certifier between a test's engine and a heads log. */
export class Harness {
  readonly engine: TestEngine;
  readonly heads: MemoryHeads;
  readonly sent: FromCertifier[] = [];
  failure: Error | undefined;
  readonly #certifier: Program<ToCertifier, FromCertifier>;

  constructor(engine: TestEngine, heads: MemoryHeads = new MemoryHeads()) {
    this.engine = engine;
    this.heads = heads;
    this.#certifier = createCertifier(engine.contexts.certifier, heads, (error) => {
      this.failure = error;
    });
    this.#certifier.send = (message) => this.sent.push(FromCertifier.decode(FromCertifier.encode(message)));
  }

  static async started(engine: TestEngine, heads?: MemoryHeads): Promise<Harness> {
    const harness = new Harness(engine, heads);
    await settled();
    return harness;
  }

  /** Hands messages over in one turn. */
  give(...messages: ToCertifier[]): void {
    for (const message of messages) this.#certifier.receive(ToCertifier.decode(ToCertifier.encode(message)));
    this.#certifier.turn();
  }

  /** Orders groups and gives the receipt that comes back. */
  async advance(...groups: Advance[][]): Promise<Receipt> {
    this.give(this.engine.order(groups));
    await settled();
    return this.lastReceipt();
  }

  frames<T extends FromCertifier['type']>(type: T): Extract<FromCertifier, { type: T }>[] {
    return this.sent.filter((message) => message.type === type) as Extract<FromCertifier, { type: T }>[];
  }

  /** The newest receipt, as the policy engine opens it. */
  lastReceipt(): Receipt {
    const frame = this.frames('receipt').at(-1);
    if (frame === undefined) throw new Error('no receipt');
    return Receipt.decode(
      this.engine.contexts.policy.open('certifier-to-policy', 'receipt', frame.forPolicy),
    );
  }

  async query(items: AskedEntry[]): Promise<Receipt> {
    this.give(this.receiptQuery(items));
    await settled();
    return this.lastReceipt();
  }

  receiptQuery(items: AskedEntry[]): ToCertifier {
    const { policy } = this.engine.contexts;
    const bytes = ReceiptQuery.encode({ boot: policy.boot, batch: 9999, items });
    return { type: 'query', query: policy.seal('policy-to-certifier', 'receipt-query', bytes) };
  }

  headQuery(organization: Uint8Array, nonce = 1): ToCertifier {
    const { policy } = this.engine.contexts;
    const bytes = HeadQuery.encode({ boot: policy.boot, nonce, organization });
    return { type: 'queryHead', query: policy.seal('policy-to-certifier', 'head-query', bytes) };
  }

  giveHeadQuery(organization: Uint8Array, nonce = 1): void {
    this.give(this.headQuery(organization, nonce));
  }

  async head(organization: Uint8Array): Promise<HeadAnswer> {
    this.giveHeadQuery(organization);
    await settled();
    return HeadAnswer.decode(
      this.engine.contexts.policy.open(
        'certifier-to-policy',
        'head-answer',
        this.frames('head').at(-1)!.answer,
      ),
    );
  }

  async metrics(): Promise<{
    organizations: number;
    size: number;
    appends: number;
    refused: Record<string, number>;
  }> {
    this.give({ type: 'ping', id: 1 });
    return JSON.parse(new TextDecoder().decode(this.frames('pong').at(-1)!.metrics));
  }
}

/** The code by which the only refused organization of a receipt was refused; undefined when nothing was. */
export function refusal(receipt: Receipt): string | undefined {
  return receipt.refused[0]?.code;
}
