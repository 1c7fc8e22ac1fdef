import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hmacSha256 } from '@keystead/crypto/hmac';
import { bytes, type Codec, fixed, list, option, type Static, struct, u8, u53 } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { branch } from '@keystead/protocol/deployment';
import { domainPrefix } from '@keystead/protocol/domain';
import { Authenticated } from '@keystead/protocol/heads-record';
import { maximumStoredRows, rowNameBytes } from '@keystead/protocol/row-frames';

/** spec/realm.md §5: what a realm, and a keeper of backups, writes into its heads log. */

export const headsVersion = 1;

export interface RecordBody<Event> {
  readonly version: number;
  /** Of the realm or keeper. */
  readonly id: Uint8Array;
  readonly sequence: number;
  /** MAC of the record before; zeros in the first. */
  readonly previous: Uint8Array;
  /** The newest sequence that the database has confirmed. */
  readonly stored: number;
  /** Without a row nothing is kept under the name any more. */
  readonly rows: readonly {
    readonly name: Uint8Array;
    readonly flag: number;
    readonly row: Uint8Array | undefined;
  }[];
  /** What the database keeps besides, and may have lost its tail of. */
  readonly events: readonly Event[];
}

const SnapshotBody = struct({
  version: u8,
  id: fixed(16),
  sequence: u53,
  /** MAC of the record `sequence`. */
  chain: fixed(32),
  stored: u53,
  heads: bytes(0xffffffff),
});
export type SnapshotBody = Static<typeof SnapshotBody>;

export interface RowHeadsKind<Event> {
  /** Names branch, domains and refusals. */
  readonly name: 'realm' | 'backup';
  readonly event: Codec<Event>;
  readonly maximumRowBytes: number;
}

/** Records and snapshots of one heads log, authenticated. Both `open` throw CryptoError for what was not written here. */
export class RowHeadsRecords<Event> {
  readonly #key: SecretBytes;
  readonly #name: string;
  readonly #body: Codec<RecordBody<Event>>;

  constructor(seed: SecretBytes, { name, event, maximumRowBytes }: RowHeadsKind<Event>) {
    this.#key = branch(seed, `keystead/${name}/heads-record/v1`);
    this.#name = name;
    this.#body = struct({
      version: u8,
      id: fixed(16),
      sequence: u53,
      previous: fixed(32),
      stored: u53,
      rows: list(
        struct({ name: fixed(rowNameBytes), flag: u8, row: option(bytes(maximumRowBytes)) }),
        maximumStoredRows,
      ),
      events: list(event, maximumStoredRows),
    }) as unknown as Codec<RecordBody<Event>>;
  }

  sealRecord(body: RecordBody<Event>): { readonly mac: Uint8Array; readonly bytes: Uint8Array } {
    return this.#sealed('record', this.#body.encode(body));
  }

  openRecord(encoded: Uint8Array): { readonly mac: Uint8Array; readonly body: RecordBody<Event> } {
    const { mac, body } = this.#opened('record', encoded);
    return { mac, body: this.#body.decode(body) };
  }

  sealSnapshot(body: SnapshotBody): Uint8Array {
    return this.#sealed('snapshot', SnapshotBody.encode(body)).bytes;
  }

  openSnapshot(encoded: Uint8Array): SnapshotBody {
    return SnapshotBody.decode(this.#opened('snapshot', encoded).body);
  }

  #sealed(kind: 'record' | 'snapshot', body: Uint8Array) {
    const mac = this.#macOf(kind, body);
    return { mac, bytes: Authenticated.encode({ mac, body }) };
  }

  #opened(kind: 'record' | 'snapshot', encoded: Uint8Array) {
    const { mac, body } = Authenticated.decode(encoded);
    if (!equalBytes(this.#macOf(kind, body), mac)) throw new CryptoError('decryption-failed');
    return { mac, body };
  }

  #macOf(kind: 'record' | 'snapshot', body: Uint8Array): Uint8Array {
    const domain = domainPrefix(`keystead/${this.#name}-heads-${kind}/v1`);
    return hmacSha256(this.#key.expose(), concatBytes(domain, body));
  }
}
