import { combine, split } from 'shamir-secret-sharing';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { systemRandom } from '@keystead/enclave-runtime/context';
import {
  decodeShare,
  encodeShare,
  maximumShares,
  type OperatorShare,
  shareCommitment,
} from '@keystead/protocol/operator-share';
import { OperatorRefusal } from './operator-refusal.ts';
import { openUnlockRecord, sealUnlockRecord, type UnlockRecord } from './unlock-record.ts';

type SharesRecord = UnlockRecord & { kind: 'shares' };

/** Splits a fresh wrapping secret: the packed shares, and the record that any `threshold` of them open. */
export async function sealUnderShares(
  secret: SecretBytes,
  threshold: number,
  shares: number,
): Promise<{ readonly record: string; readonly packed: readonly Uint8Array[] }> {
  assertSharing(threshold, shares);
  const wrapping = SecretBytes.take(systemRandom(32));
  const set = systemRandom(8);
  try {
    const points = await split(wrapping.expose(), shares, threshold);
    const packed = points.map((share, index) => {
      const encoded = encodeShare({ set, threshold, shares, number: index + 1, share });
      share.fill(0);
      return encoded;
    });
    const commitments = packed.map((share) => base64urlEncode(shareCommitment(share)));
    const parameters = { kind: 'shares', set: base64urlEncode(set), threshold, shares, commitments } as const;
    return { record: sealUnlockRecord(parameters, secret, wrapping, systemRandom), packed };
  } finally {
    wrapping.wipe();
  }
}

/** Throws OperatorRefusal for numbers that no splitting has. */
export function assertSharing(threshold: number, shares: number): void {
  if (threshold < 2 || threshold > shares || shares > maximumShares)
    throw new OperatorRefusal(
      'shares-count',
      `${threshold} of ${shares} is no way to share`,
      `choose 2 <= threshold <= shares <= ${maximumShares}`,
    );
}

/** Collects shares until there are enough. Every share is judged alone, before anything is computed from it. */
export class ShareCollection {
  readonly #record: SharesRecord;
  readonly #given = new Map<number, SecretBytes>();

  constructor(record: SharesRecord) {
    this.#record = record;
  }

  get given(): readonly number[] {
    return [...this.#given.keys()].sort((one, other) => one - other);
  }

  get missing(): number {
    return Math.max(0, this.#record.threshold - this.#given.size);
  }

  /** Takes ownership of the bytes. Throws OperatorRefusal that names the share and what is wrong with it. */
  add(packed: Uint8Array): void {
    try {
      const share = this.#judged(packed);
      this.#given.set(share.number, new SecretBytes(share.share));
      share.share.fill(0);
    } finally {
      packed.fill(0);
    }
  }

  /** The unlock secret, once nothing is missing. Throws OperatorRefusal when the shares do not open the record. */
  async open(): Promise<SecretBytes> {
    const shares = [...this.#given.values()].slice(0, this.#record.threshold);
    const wrapping = SecretBytes.take(await combine(shares.map((share) => share.expose())));
    this.forget();
    const secret = openUnlockRecord(this.#record, wrapping);
    wrapping.wipe();
    if (secret === undefined)
      throw new OperatorRefusal(
        'record-changed',
        'the shares are the right ones, and the unlock record does not open with them',
        'put genesis/unlock.json back from a backup of the home',
      );
    return secret;
  }

  forget(): void {
    for (const share of this.#given.values()) share.wipe();
    this.#given.clear();
  }

  #judged(packed: Uint8Array): OperatorShare {
    let share: OperatorShare;
    try {
      share = decodeShare(packed);
    } catch (error) {
      throw new OperatorRefusal('share-malformed', (error as Error).message, 'enter it as it is printed');
    }
    const { number } = share;
    if (!equalBytes(share.set, base64urlDecode(this.#record.set)))
      throw new OperatorRefusal(
        'share-foreign',
        `share ${number} is of another set`,
        `the shares of this deployment are of the set ${this.#record.set}: older ones, and those of others, do not count`,
      );
    const commitment = this.#record.commitments[number - 1];
    if (commitment === undefined || !equalBytes(base64urlDecode(commitment), shareCommitment(packed)))
      throw new OperatorRefusal(
        'share-substituted',
        `share ${number} is not the one that was printed at the founding`,
        `find out who exchanged share ${number}; the others that were given still count`,
      );
    if (this.#given.has(number))
      throw new OperatorRefusal('share-repeated', `share ${number} was given already`, 'give another one');
    return share;
  }
}
