import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { fixed, type Static, struct, u8 } from '@keystead/crypto/pack';
import { domainHash } from './domain.ts';
import { GroupError, printGroups, readGroups } from './printed-groups.ts';

/** spec/unlock.md §3: one operator's share of the secret that opens a deployment, and its printed form. */

export const shareVersion = 1;
export const maximumShares = 16;

const ShareFields = struct({
  version: u8,
  /** Names one splitting. */
  set: fixed(8),
  threshold: u8,
  shares: u8,
  /** From 1 on. */
  number: u8,
  /** 32 values, then the point at which the polynomials were evaluated. */
  share: fixed(33),
});
export type OperatorShare = Omit<Static<typeof ShareFields>, 'version'>;

/** Why a printed or packed share is none. `group` counts from 1: where the typing error is. */
export class ShareError extends Error {
  readonly group: number | undefined;

  constructor(detail: string, group?: number) {
    super(detail);
    this.name = 'ShareError';
    this.group = group;
  }
}

/** 45 bytes. */
export function encodeShare(share: OperatorShare): Uint8Array {
  return ShareFields.encode({ version: shareVersion, ...share });
}

/** Throws ShareError. */
export function decodeShare(bytes: Uint8Array): OperatorShare {
  let fields: Static<typeof ShareFields>;
  try {
    fields = ShareFields.decode(bytes);
  } catch {
    throw new ShareError('it has another length than a share');
  }
  const { version, ...share } = fields;
  if (version !== shareVersion)
    throw new ShareError(`it is of version ${version}; this program knows ${shareVersion}`);
  const { threshold, shares, number } = share;
  if (threshold < 2 || threshold > shares || shares > maximumShares || number < 1 || number > shares)
    throw new ShareError('its numbers contradict one another');
  if (share.share[32] === 0) throw new ShareError('its point is zero, which would be the secret itself');
  return share;
}

/** What the unlock record keeps of a share, 32 bytes. */
export function shareCommitment(packed: Uint8Array): Uint8Array {
  return domainHash('keystead/operator-share/v1', packed);
}

const groups = 10;
const checkBytes = 5;

const checkOf = (packed: Uint8Array): Uint8Array =>
  domainHash('keystead/operator-share-check/v1', packed).subarray(0, checkBytes);

/** The printed form: ten groups, two to a line, as bytes of ASCII so that it can be wiped. */
export function printShare(packed: Uint8Array): Uint8Array {
  const whole = concatBytes(packed, checkOf(packed));
  const printed = printGroups(whole, 'lines');
  whole.fill(0);
  return printed;
}

/**
 * The packed share of a printed one; lines that begin with # are the page's heading. Throws ShareError that names the group with
 * the typing error.
 */
export function parsePrintedShare(printed: Uint8Array): Uint8Array {
  const whole = groupsOf(withoutHeading(printed));
  const packed = whole.slice(0, whole.length - checkBytes);
  const isWhole = equalBytes(checkOf(packed), whole.subarray(packed.length));
  whole.fill(0);
  if (!isWhole) throw new ShareError('its groups are not of one share');
  return packed;
}

function groupsOf(printed: Uint8Array): Uint8Array {
  try {
    return readGroups(printed, groups);
  } catch (error) {
    if (error instanceof GroupError) throw new ShareError(error.message, error.group);
    throw error;
  }
}

function withoutHeading(bytes: Uint8Array): Uint8Array {
  const hash = 0x23;
  const lineEnd = 0x0a;
  let from = 0;
  while (bytes[from] === hash) {
    const end = bytes.indexOf(lineEnd, from);
    from = end < 0 ? bytes.length : end + 1;
  }
  return bytes.subarray(from);
}
