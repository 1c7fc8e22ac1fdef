import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { Entry, entryHash, zeroHash } from '@keystead/protocol/entry';
import { leafCommitment } from '@keystead/protocol/log-leaf';
import { emptyEntry, noRequests } from '../testing/entries.ts';
import { Batch } from './batch.ts';
import type { Decided, DecidedEntry } from './decided.ts';
import { emptyHead, Organization, organizationKeys, sealEntry } from './organization.ts';
import { NodeCache } from './rows.ts';

const seed = SecretBytes.take(new Uint8Array(32).fill(5));
const boot = new Uint8Array(16);

function organizationNamed(number: number): Organization {
  const id = new Uint8Array(16).fill(number);
  return new Organization(
    id,
    organizationKeys(seed, id),
    new NodeCache(10_000, 0),
    noRequests(),
    zeroHash,
    emptyHead,
  );
}

/** The next entry of an organization, as a decision would give it. */
function next(organization: Organization, changes: Partial<DecidedEntry> = {}): DecidedEntry {
  const { tail } = organization;
  const entry = emptyEntry({
    organization: organization.id,
    position: tail.position + 1,
    previous: tail.hash,
    time: tail.position + 1,
  });
  const encoded = Entry.encode(entry);
  const known = { entry, hash: entryHash(encoded), sealed: sealEntry(organization.keys, encoded) };
  return {
    organization,
    known,
    encoded,
    floor: tail.floor,
    nodes: [],
    replaced: [],
    checkpoint: false,
    evidence: undefined,
    ...changes,
  };
}

const decided = (...entries: DecidedEntry[]): Decided => ({
  entries,
  secret: null,
  owner: null,
  ticket: null,
  status: 200,
});

/** Groups as texts: organization, positions, and e for evidence. */
const shapes = (batch: Batch): string[] =>
  batch
    .order(boot)
    .groups.map((group) =>
      group
        .map(
          ({ organization, entries, evidence }) =>
            `${organization[0]}:${entries.map(({ position }) => position).join()}${evidence ? 'e' : ''}`,
        )
        .join(' + '),
    );

describe('a batch', () => {
  it('carries the entries of an organization in one advance', () => {
    const [a, b] = [organizationNamed(1), organizationNamed(2)];
    const batch = new Batch(1);
    for (const organization of [a, b, a, b, a]) batch.add(decided(next(organization)));
    assert.deepEqual(shapes(batch), ['1:1,2,3', '2:1,2']);
    const [[advance]] = batch.order(boot).groups;
    assert.deepEqual(advance.from, emptyHead);
    assert.deepEqual(advance.to, a.tail);
  });

  it('gives a change of the authority set an advance of its own', () => {
    const a = organizationNamed(1);
    const batch = new Batch(1);
    batch.add(decided(next(a)));
    batch.add(decided(next(a, { evidence: new Uint8Array(1) })));
    batch.add(decided(next(a)));
    batch.add(decided(next(a)));
    assert.deepEqual(shapes(batch), ['1:1', '1:2e', '1:3,4']);
  });

  it('lets two organizations that decide together move together, and never joins what comes after', () => {
    const [a, b] = [organizationNamed(1), organizationNamed(2)];
    const batch = new Batch(1);
    batch.add(decided(next(a)));
    batch.add(decided(next(b)));
    batch.add(decided(next(a), next(b)));
    batch.add(decided(next(b)));
    batch.add(decided(next(a)));
    assert.deepEqual(shapes(batch), ['1:1', '2:1', '1:2 + 2:2', '2:3', '1:3']);
  });

  it('begins every advance where the one before ended', () => {
    const [a, b] = [organizationNamed(1), organizationNamed(2)];
    const batch = new Batch(1);
    batch.add(decided(next(a)));
    batch.add(decided(next(a), next(b)));
    batch.add(decided(next(a, { floor: 3 })));
    let tail = emptyHead;
    for (const group of batch.order(boot).groups)
      for (const { organization, from, to } of group) {
        if (organization[0] !== 1) continue;
        assert.deepEqual(from, tail);
        tail = to;
      }
    assert.equal(tail.floor, 3);
  });

  it('commits to each entry by a leaf that only its opening ties to it', () => {
    const a = organizationNamed(1);
    const batch = new Batch(1);
    batch.add(decided(next(a)));
    const [[{ entries }]] = batch.order(boot).groups;
    const { leaf, opening, hash } = entries[0];
    assert.deepEqual(leaf.slice(33), leafCommitment(opening, hash));
    assert.notDeepEqual(leaf.slice(33), leafCommitment(new Uint8Array(16), hash));
  });

  it('is full before a frame is', () => {
    const a = organizationNamed(1);
    const batch = new Batch(1);
    let added = 0;
    while (!batch.isFull) {
      batch.add(decided(next(a, { evidence: new Uint8Array(1_000_000) })));
      added += 1;
    }
    assert.ok(added > 1 && added < 8, String(added));
    const many = new Batch(2);
    for (added = 0; !many.isFull; added += 1) many.add(decided(next(a)));
    assert.ok(added <= 4096);
  });
});
