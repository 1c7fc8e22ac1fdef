import { DecidedRequests } from '../src/decided-requests.ts';
import { type Entry, entryKind, entryVersion, outcomeAllow, zeroHash } from '@keystead/protocol/entry';

/** An entry of position 1 that changes nothing, with the members that a test names. */
export function emptyEntry(changes: Partial<Entry> = {}): Entry {
  return {
    version: entryVersion,
    organization: new Uint8Array(16),
    position: 1,
    previous: zeroHash,
    time: 1_795_176_000_000,
    kind: entryKind.decision,
    identity: zeroHash,
    bodyDigest: zeroHash,
    method: 'getAccounts',
    surface: 1,
    authenticator: zeroHash,
    authorityBefore: zeroHash,
    authorityAfter: zeroHash,
    decision: { outcome: outcomeAllow, code: '', rule: '', trace: [] },
    effects: new Uint8Array(0),
    reservations: [],
    places: [],
    keyUse: undefined,
    result: new Uint8Array(0),
    counterpart: undefined,
    cells: [],
    authority: [],
    stateRoot: undefined,
    ...changes,
  };
}

/** The memory of decided requests of an engine that has just begun. */
export const noRequests = (): DecidedRequests => new DecidedRequests((length) => new Uint8Array(length));
