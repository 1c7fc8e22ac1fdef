import {
  checkpointInterval,
  Entry,
  entryHash,
  entryKind,
  entryVersion,
  outcomeAllow,
  zeroHash,
} from '@keystead/protocol/entry';
import { surfaceNative } from '@keystead/protocol/frames';
import type { Decided } from './decided.ts';
import { type Organization, sealEntry } from './organization.ts';

/**
 * What the network said of a broadcast, as an entry of its own. It is the host's word: it is kept, and it releases
 * nothing. Throws NeedRows.
 */
export function buildOutcome(
  organization: Organization,
  message: { readonly position: number; readonly network: string; readonly outcome: Uint8Array },
  now: number,
): Decided {
  const { tail } = organization;
  const position = tail.position + 1;
  const entry: Entry = {
    version: entryVersion,
    organization: organization.id,
    position,
    previous: tail.hash,
    time: Math.max(now, organization.tailTime),
    kind: entryKind.outcome,
    identity: zeroHash,
    bodyDigest: zeroHash,
    method: 'outcome',
    surface: surfaceNative,
    authenticator: zeroHash,
    authorityBefore: tail.authority,
    authorityAfter: tail.authority,
    decision: {
      outcome: outcomeAllow,
      code: '',
      rule: `position ${message.position}`,
      trace: [message.network],
    },
    effects: new Uint8Array(0),
    reservations: [],
    places: [],
    keyUse: undefined,
    result: message.outcome,
    counterpart: undefined,
    cells: [],
    authority: [],
    stateRoot: undefined,
  };
  const isCheckpoint = position % checkpointInterval === 0;
  const checkpoint = isCheckpoint ? organization.checkpoint(entry) : null;
  const encoded = Entry.encode(checkpoint === null ? entry : { ...entry, stateRoot: checkpoint.root });
  return {
    entries: [
      {
        organization,
        known: {
          entry: Entry.decode(encoded),
          hash: entryHash(encoded),
          sealed: sealEntry(organization.keys, encoded),
        },
        encoded,
        floor: tail.floor,
        nodes: [...(checkpoint?.nodes ?? [])],
        replaced: checkpoint?.replaced ?? [],
        checkpoint: isCheckpoint,
        evidence: undefined,
      },
    ],
    secret: null,
    owner: null,
    ticket: null,
    status: 200,
  };
}
