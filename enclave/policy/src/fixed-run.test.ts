import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { emptyMapRoot, MerkleMap } from '@keystead/crypto/merkle-map';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { fixedRun, type Plain, plain } from '../testing/fixed-run.ts';
import { cellKey, decodeRequestsCell, encodeJson, encodeRequestsCell } from './cells.ts';
import { openEntry, organizationKeys, sealEntry } from './organization.ts';

interface EntryVectors {
  readonly run: readonly { readonly entry: Plain; readonly bytes: string; readonly hash: string }[];
}
interface StateVectors {
  readonly leaves: readonly { readonly leaf: Plain; readonly bytes: string }[];
  readonly cells: readonly {
    readonly name: string;
    readonly key: string;
    readonly value: Plain;
    readonly bytes: string;
  }[];
  readonly stateRoot: string;
  readonly rows: {
    readonly policySeed: string;
    readonly organizations: readonly {
      readonly organization: string;
      readonly rowKey: string;
      readonly logKey: string;
      readonly rows: readonly string[];
    }[];
  };
}

const vectorsOf = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../vectors/keystead/${name}`, import.meta.url), 'utf8'));
const entries = vectorsOf('entry.json') as EntryVectors;
const state = vectorsOf('state.json') as StateVectors;
const bytesOf = (text: string): Uint8Array => hexDecode(text.slice(2));

describe('the engine under fixed keys and times', () => {
  const run = fixedRun();

  it('writes the entries of the vectors, byte for byte', () => {
    assert.equal(run.entries.length, entries.run.length);
    for (const [index, { entry, bytes, hash }] of run.entries.entries()) {
      assert.deepEqual(plain(entry), entries.run[index].entry);
      assert.equal(plain(bytes), entries.run[index].bytes);
      assert.equal(plain(hash), entries.run[index].hash);
    }
  });

  it('writes the leaves of the vectors, in the order of the entries', () => {
    assert.deepEqual(
      run.leaves.map(({ bytes }) => plain(bytes)),
      state.leaves.slice(0, run.leaves.length).map(({ bytes }) => bytes),
    );
  });

  it('writes the rows of the vectors', () => {
    assert.deepEqual(
      run.organizations.map(({ rows }) => rows.map(plain)),
      state.rows.organizations.map(({ rows }) => rows),
    );
  });
});

describe('rows', () => {
  const seed = SecretBytes.take(bytesOf(state.rows.policySeed));
  for (const { organization, rowKey, logKey, rows } of state.rows.organizations) {
    const keys = organizationKeys(seed, bytesOf(organization));

    it(`of ${organization} have keys that follow from seed and id`, () => {
      assert.deepEqual([plain(keys.row), plain(keys.log)], [rowKey, logKey]);
    });

    it(`of ${organization} are entry and MAC`, () => {
      for (const row of rows.map(bytesOf)) {
        assert.deepEqual(sealEntry(keys, row.slice(0, row.length - 32)), row);
        assert.equal(openEntry(keys, row).sealed, row);
      }
    });
  }
});

function requestsCell(value: Plain): Uint8Array {
  const { oldestTime, identities } = value as { oldestTime: number; identities: readonly string[] };
  const encoded = encodeRequestsCell(oldestTime, identities.map(bytesOf));
  assert.deepEqual(plain(decodeRequestsCell(encoded)), value);
  return encoded;
}

describe('cells', () => {
  for (const { name, key, value, bytes } of state.cells)
    it(`${name.split('/')[0]} has the key and the bytes of the vectors`, () => {
      assert.equal(plain(cellKey(name)), key);
      assert.equal(plain(name.startsWith('requests/') ? requestsCell(value) : encodeJson(value)), bytes);
    });

  it('make the state root, in any order', () => {
    for (const cells of [state.cells, state.cells.toReversed()]) {
      const map = new MerkleMap(emptyMapRoot(), { node: () => undefined });
      for (const { key, bytes } of cells) map.set(bytesOf(key), bytesOf(bytes));
      assert.equal(`0x${hexEncode(map.root())}`, state.stateRoot);
    }
  });
});
