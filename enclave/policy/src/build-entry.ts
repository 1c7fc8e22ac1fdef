import { utf8Encode } from '@keystead/crypto/bytes';
import { checkpointInterval, Entry, entryHash, entryVersion, type KeyUse } from '@keystead/protocol/entry';
import { KmsError } from '@keystead/protocol/errors';
import { AuthorityEvidence } from '@keystead/protocol/receipt';
import type { DecidedEntry } from './decided.ts';
import type { Draft } from './draft.ts';
import { sealEntry } from './organization.ts';
import type { Pending } from './pending.ts';
import type { Reserved } from './usage.ts';

interface EntryParts {
  readonly kind: number;
  readonly outcome: number;
  readonly code: string;
  readonly rule: string;
  readonly trace: readonly string[];
  readonly effects: Uint8Array;
  readonly reserved: Reserved;
  readonly keyUse: KeyUse | undefined;
  readonly result: Uint8Array;
  readonly counterpart: Uint8Array | undefined;
  readonly narrowing: boolean;
}

/** The next entry of the draft's organization. Throws NeedRows; KmsError `request-too-large`. */
export function buildEntry(pending: Pending, draft: Draft, time: number, parts: EntryParts): DecidedEntry {
  const { organization } = draft;
  const { tail } = organization;
  const position = tail.position + 1;
  const authority = draft.changesAuthority ? draft.authorityAfter() : null;
  const entry: Entry = {
    version: entryVersion,
    organization: organization.id,
    position,
    previous: tail.hash,
    time,
    kind: parts.kind,
    identity: pending.identity,
    bodyDigest: pending.stamp.bodyDigest,
    method: pending.request.method,
    surface: pending.raw.surface,
    authenticator: pending.stamp.keyHash,
    authorityBefore: tail.authority,
    authorityAfter: authority?.root ?? tail.authority,
    decision: {
      outcome: parts.outcome,
      code: parts.code,
      rule: clip(parts.rule, 128),
      trace: parts.trace.slice(0, 64).map((line) => clip(line, 512)),
    },
    effects: parts.effects,
    reservations: parts.reserved.reservations.map(({ counter, scope, asset, amount }) => ({
      counter,
      scope: clip(scope, 256),
      asset: clip(asset, 128),
      amount,
    })),
    places: [...parts.reserved.places],
    keyUse: parts.keyUse,
    result: parts.result,
    counterpart: parts.counterpart,
    cells: draft.cellWrites(),
    authority: draft.authorityWrites(),
    stateRoot: undefined,
  };
  const isCheckpoint = position % checkpointInterval === 0;
  const nodes = [...(authority?.nodes ?? [])];
  const replaced = [...(authority?.replaced ?? [])];
  let final = entry;
  if (isCheckpoint) {
    const checkpoint = organization.checkpoint(entry);
    nodes.push(...checkpoint.nodes);
    replaced.push(...checkpoint.replaced);
    final = { ...entry, stateRoot: checkpoint.root };
  }
  const encoded = encodeEntry(final);
  const evidence =
    authority === null
      ? undefined
      : encodeEvidence({ entry: encoded, request: pending.encoded, witness: [...authority.witness] });
  return {
    organization,
    known: { entry: final, hash: entryHash(encoded), sealed: sealEntry(organization.keys, encoded) },
    encoded,
    floor: parts.narrowing ? position : tail.floor,
    nodes,
    replaced,
    checkpoint: isCheckpoint,
    evidence,
  };
}

/** Bounds that leave room for an entry in every frame and record that carries it. */
const maximumEntryBytes = 1_572_864;
const maximumEvidenceBytes = 2_097_152;

function encodeEntry(entry: Entry): Uint8Array {
  return encodeWithin(maximumEntryBytes, () => Entry.encode(entry));
}

function encodeEvidence(evidence: AuthorityEvidence): Uint8Array {
  return encodeWithin(maximumEvidenceBytes, () => AuthorityEvidence.encode(evidence));
}

/** Throws KmsError `request-too-large`: nothing was decided, and a smaller request can be. */
function encodeWithin(most: number, encode: () => Uint8Array): Uint8Array {
  let encoded: Uint8Array | undefined;
  try {
    encoded = encode();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
  }
  if (encoded === undefined || encoded.length > most)
    throw new KmsError('request-too-large', { detail: 'its consequences are more than one entry can hold' });
  return encoded;
}

/** The longest beginning of `text` within so many bytes of UTF-8. */
function clip(text: string, most: number): string {
  const whole = text.toWellFormed();
  if (whole.length * 3 <= most || utf8Encode(whole).length <= most) return whole;
  let kept = '';
  let length = 0;
  for (const character of whole) {
    length += utf8Encode(character).length;
    if (length > most) break;
    kept += character;
  }
  return kept;
}
