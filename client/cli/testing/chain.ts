import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { domainHash } from '@keystead/protocol/domain';
import {
  checkpointInterval,
  Entry,
  entryHash,
  entryKind,
  entryVersion,
  zeroHash,
} from '@keystead/protocol/entry';
import { organizationIdOf } from '@keystead/protocol/ids';
import { Fold } from '../src/ledger/fold.ts';
import type { EntryRow } from '../src/ledger/verify-chain.ts';

export const deploymentId = domainHash('test/deployment');
const genesisIdentity = domainHash('test/identity', Uint8Array.of(1));
export const organization = organizationIdOf(deploymentId, genesisIdentity);

/** A chain of `length` entries, with the members that `more` names; every tenth one changes the authority set, and every one a cell. */
export function chainOf(length: number, more: (position: number) => Partial<Entry> = () => ({})): Entry[] {
  const fold = new Fold();
  const entries: Entry[] = [];
  let previous = zeroHash;
  for (let position = 1; position <= length; position++) {
    const entry: Entry = {
      version: entryVersion,
      organization,
      position,
      previous,
      time: 1_800_000_000_000 + position,
      kind: position === 1 ? entryKind.genesis : entryKind.decision,
      identity: domainHash('test/identity', Uint8Array.of(position)),
      bodyDigest: zeroHash,
      method: position === 1 ? 'createOrganization' : 'updateUserInOrganization',
      surface: 1,
      authenticator: zeroHash,
      authorityBefore: fold.authorityRoot(),
      authorityAfter: zeroHash,
      decision: { outcome: 1, code: '', rule: 'ROOT', trace: [] },
      effects: new Uint8Array(0),
      reservations: [],
      places: [],
      keyUse: undefined,
      result: utf8Encode('{}'),
      counterpart: undefined,
      cells: [{ key: `user/u${position % 7}`, value: utf8Encode(`"${position}"`) }],
      authority:
        position % 10 === 1
          ? [{ key: domainHash('test/leaf', Uint8Array.of(position)), value: Uint8Array.of(1) }]
          : [],
      stateRoot: undefined,
      ...more(position),
    };
    fold.apply(entry);
    entry.authorityAfter = fold.authorityRoot();
    if (position % checkpointInterval === 0) entry.stateRoot = fold.stateRoot();
    previous = entryHash(Entry.encode(entry));
    entries.push(entry);
  }
  return entries;
}

/** The rows as a store keeps them; the MAC is of no known key. */
export function rowsOf(entries: readonly Entry[]): EntryRow[] {
  return entries.map((entry) => ({
    position: entry.position,
    checkpoint: entry.stateRoot !== undefined,
    bytes: concatBytes(Entry.encode(entry), new Uint8Array(32)),
  }));
}
