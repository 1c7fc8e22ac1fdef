import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hexEncode } from '@keystead/crypto/hex';
import { MerkleMap } from '@keystead/crypto/merkle-map';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { checkpointInterval, Entry, entryHash, zeroHash } from '@keystead/protocol/entry';
import { decisionWindowMilliseconds } from '@keystead/protocol/stamp';
import { flipped } from '../testing/policy-bench.ts';
import { emptyEntry, noRequests } from '../testing/entries.ts';
import { cellKey, encodeJson, encodeRequestsCell } from './cells.ts';
import {
  emptyHead,
  type KnownEntry,
  Organization,
  openEntry,
  organizationKeys,
  sealEntry,
} from './organization.ts';
import { NeedRows, NodeCache } from './rows.ts';

const seed = SecretBytes.take(new Uint8Array(32).fill(5));
const id = new Uint8Array(16).fill(1);
const keys = organizationKeys(seed, id);

/** An organization to which entries are appended one by one. */
function growing(nodes = new NodeCache(10_000_000, 0)) {
  const organization = new Organization(id, keys, nodes, noRequests(), zeroHash, emptyHead);
  const entries = new Map<number, KnownEntry>();
  const append = (changes: Partial<Entry> = {}) => {
    const position = organization.tail.position + 1;
    const entry = emptyEntry({ organization: id, position, previous: organization.tail.hash, ...changes });
    let final = entry;
    if (position % checkpointInterval === 0) {
      const checkpoint = organization.checkpoint(entry);
      for (const node of checkpoint.nodes) nodes.put(node.hash, node.bytes);
      nodes.replace(checkpoint.replaced);
      final = { ...entry, stateRoot: checkpoint.root };
    }
    const encoded = Entry.encode(final);
    const known = { entry: final, hash: entryHash(encoded), sealed: sealEntry(keys, encoded) };
    organization.append(known, organization.tail.floor);
    entries.set(position, known);
    return known;
  };
  return { organization, append, entries };
}

const cell = (key: string, value: unknown) => ({
  key,
  value: value === undefined ? undefined : encodeJson(value),
});

describe('entry rows', () => {
  const encoded = Entry.encode(emptyEntry({ organization: id }));
  const sealed = sealEntry(keys, encoded);

  it('open to the entry that was sealed', () => {
    assert.deepEqual(openEntry(keys, sealed).entry, emptyEntry({ organization: id }));
    assert.deepEqual(openEntry(keys, sealed).hash, entryHash(encoded));
  });

  it('name the version of an entry that is not read any more', () => {
    const old = sealEntry(keys, encoded.with(0, 2));
    assert.throws(() => openEntry(keys, old), {
      code: 'organization-locked',
      detail: 'an entry has version 2, and only version 3 is read',
    });
  });

  it('open for no other organization, no other deployment and no other bytes', () => {
    const refused = { code: 'organization-locked' };
    const otherKeys = organizationKeys(seed, new Uint8Array(16).fill(2));
    const otherSeed = organizationKeys(SecretBytes.take(new Uint8Array(32).fill(6)), id);
    for (const foreign of [otherKeys, otherSeed, { ...keys, row: keys.log }])
      assert.throws(() => openEntry(foreign, sealed), refused);
    assert.throws(() => openEntry(keys, flipped(sealed)), refused);
    for (const length of [0, 1, 31, 32, sealed.length - 1])
      assert.throws(() => openEntry(keys, sealed.slice(0, length)), refused);
  });
});

describe('an organization in memory', () => {
  it('reads the newest value of a cell, before and after a checkpoint', () => {
    const { organization, append } = growing();
    append({ cells: [cell('wallet-tag/a', 'one'), cell('wallet-tag/b', 'two')] });
    append({ cells: [cell('wallet-tag/a', 'three'), cell('wallet-tag/b', undefined)] });
    assert.equal(organization.cell('wallet-tag', 'a'), 'three');
    assert.equal(organization.cell('wallet-tag', 'b'), undefined);
    while (organization.tail.position < 64) append();
    assert.equal(organization.cell('wallet-tag', 'a'), 'three');
    assert.equal(organization.cell('wallet-tag', 'b'), undefined);
    append({ cells: [cell('wallet-tag/b', 'four')] });
    assert.equal(organization.cell('wallet-tag', 'b'), 'four');
  });

  it('keeps of its states what the newest one reaches', () => {
    const nodes = new NodeCache(10_000_000, 0);
    const { organization, append, entries } = growing(nodes);
    const roots: Uint8Array[] = [];
    while (roots.length < 20) {
      const { position } = organization.tail;
      append({
        cells: [cell(`wallet-tag/${position % 3}`, String(position)), cell(`wallet-tag/${position}`, 'kept')],
      });
      const { stateRoot } = entries.get(position + 1)!.entry;
      if (stateRoot === undefined) continue;
      roots.push(stateRoot);
      nodes.forgetReplaced();
    }
    const newest = roots.pop()!;
    for (let position = 3; position < organization.tail.position; position += 1)
      assert.equal(organization.cell('wallet-tag', String(position)), 'kept');
    assert.ok(nodes.node(newest) !== undefined);
    for (const root of roots) assert.equal(nodes.node(root), undefined);
  });

  it('remembers at which position a request was decided', () => {
    const { organization, append } = growing();
    const identity = new Uint8Array(32).fill(3);
    const { time } = emptyEntry();
    append();
    assert.equal(organization.decidedAt(identity, time), undefined);
    append({ identity });
    assert.equal(organization.decidedAt(identity, time), 2);
    while (organization.tail.position < 65) append();
    assert.equal(organization.decidedAt(identity, time), 2);
  });

  it('looks for a request as far back as a fresh stamp reaches, and no further', () => {
    const nodes = new NodeCache(10_000_000, 0);
    const { organization, append, entries } = growing(nodes);
    const identity = new Uint8Array(32).fill(3);
    const { time } = emptyEntry();
    append({ identity });
    while (organization.tail.position < 200) append();
    const checkpoint = entries.get(192)!;
    const loaded = (memory: NodeCache) => {
      const { stateRoot } = checkpoint.entry;
      const cold = new Organization(id, keys, memory, noRequests(), stateRoot!, emptyHead);
      cold.append({ ...checkpoint, entry: { ...checkpoint.entry, stateRoot: undefined } }, 0);
      return cold;
    };
    assert.equal(loaded(nodes).decidedAt(identity, time + decisionWindowMilliseconds), 1);
    const empty = new NodeCache(10_000, 0);
    assert.throws(() => loaded(empty).decidedAt(identity, time + decisionWindowMilliseconds), NeedRows);
    assert.equal(loaded(empty).decidedAt(identity, time + decisionWindowMilliseconds + 1), undefined);
  });

  it('remembers what a cold start reads back for as long as a stamp of it is fresh, however full the memory is', () => {
    const nodes = new NodeCache(10_000_000, 0);
    const { append, entries } = growing(nodes);
    const identity = new Uint8Array(32).fill(3);
    const { time } = emptyEntry();
    const hours = 3 * 3_600_000;
    for (let position = 1; position < 63; position += 1) append({ time });
    append({ identity, time: time + hours });
    append({ time: time + hours });
    const requests = noRequests();
    requests.note(id, new Uint8Array(32).fill(4), 1_000, time + hours - decisionWindowMilliseconds - 1);
    const { entry } = entries.get(64)!;
    const cold = new Organization(id, keys, nodes, requests, entry.stateRoot!, emptyHead);
    cold.append({ ...entries.get(64)!, entry: { ...entry, stateRoot: undefined } }, 0);
    const other = new Uint8Array(32);
    const others = new DataView(other.buffer);
    for (let number = 0; number < 393_216; number += 1) {
      others.setUint32(0, number);
      requests.note(id, other, 1_000, time + hours);
    }
    assert.equal(cold.decidedAt(identity, time + hours), 63);
    requests.forgetBefore(time + hours);
    assert.equal(cold.decidedAt(identity, time + hours), 63);
  });

  it('asks for the node that it lacks', () => {
    const { organization, append, entries } = growing();
    append({ cells: [cell('wallet-tag/a', 'one')] });
    while (organization.tail.position < 64) append();
    assert.equal(organization.cell('wallet-tag', 'a'), 'one');
    const { stateRoot } = entries.get(64)!.entry;
    const loaded = new Organization(
      id,
      keys,
      new NodeCache(10_000_000, 0),
      noRequests(),
      stateRoot!,
      organization.tail,
    );
    assert.throws(
      () => loaded.cell('wallet-tag', 'a'),
      (error) =>
        error instanceof NeedRows &&
        error.queries.length === 1 &&
        error.queries[0].kind === 'node' &&
        hexEncode(error.queries[0].hash) === hexEncode(stateRoot!),
    );
  });

  it('comes to the same roots with nodes in memory and without', () => {
    const nodes = new NodeCache(10_000_000, 0);
    const { append, entries } = growing(nodes);
    for (let i = 0; i < 320; i += 1)
      append({
        cells: [cell(`wallet-tag/${i % 90}`, i % 7 === 0 ? undefined : `value ${i}`)],
        identity: new Uint8Array(32).fill(i % 256, 1).fill(i >> 8, 0, 1),
      });
    const map = new MerkleMap(zeroHash, nodes);
    const identities: Uint8Array[] = [];
    for (let position = 1; position <= 320; position += 1) {
      const { cells, identity, stateRoot } = entries.get(position)!.entry;
      for (const { key, value } of cells) {
        if (value === undefined) map.delete(cellKey(key));
        else map.set(cellKey(key), value);
      }
      identities.push(identity);
      if (stateRoot !== undefined)
        map.set(
          cellKey(`requests/${position / 64}`),
          encodeRequestsCell(emptyEntry().time, identities.splice(0)),
        );
      if (stateRoot !== undefined) assert.deepEqual(map.root(), stateRoot, `position ${position}`);
    }
  });

  it('gives a cell anew after it was written', () => {
    const { organization, append } = growing();
    append({ cells: [cell('wallet-tag/a', 'one')] });
    assert.equal(organization.cell('wallet-tag', 'a'), 'one');
    append({ cells: [cell('wallet-tag/a', 'two')] });
    assert.equal(organization.cell('wallet-tag', 'a'), 'two');
    append({ cells: [cell('wallet-tag/a', undefined)] });
    assert.equal(organization.cell('wallet-tag', 'a'), undefined);
  });

  it('forgets the hashes of old entries once they are certified, and none that is not', () => {
    const { organization, append, entries } = growing();
    for (let i = 0; i < 300; i += 1) append();
    const known = (position: number) => organization.hashAt(position);
    assert.deepEqual(known(1), entries.get(1)!.hash);
    organization.certified = { ...organization.tail, position: 290 };
    append();
    assert.equal(known(1), undefined);
    assert.equal(known(173), undefined);
    for (let position = 174; position <= 301; position += 1)
      assert.deepEqual(known(position), entries.get(position)!.hash);
    assert.equal(known(302), undefined);
  });
});
