import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { MerkleMap } from '@keystead/crypto/merkle-map';
import { domainHash } from './domain.ts';
import { checkpointInterval, Entry, entryHash, zeroHash } from './entry.ts';

type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain };

interface Vectors {
  readonly domainHashes: readonly {
    readonly domain: string;
    readonly parts: readonly string[];
    readonly hash: string;
  }[];
  readonly checkpointInterval: number;
  readonly run: readonly Case[];
  readonly made: readonly Case[];
  readonly refused: readonly { readonly name: string; readonly bytes: string }[];
}
interface Case {
  readonly name: string;
  readonly entry: Plain;
  readonly bytes: string;
  readonly hash: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/keystead/entry.json', import.meta.url), 'utf8'),
) as Vectors;

const bytesOf = (text: string): Uint8Array => hexDecode(text.slice(2));
const textOf = (bytes: Uint8Array): string => `0x${hexEncode(bytes)}`;

/** The value that stands as JSON in the vectors: texts that begin with 0x are bytes, null is an absent option. */
function fromPlain(plain: Plain): unknown {
  if (plain === null) return undefined;
  if (typeof plain === 'string') return plain.startsWith('0x') ? bytesOf(plain) : plain;
  if (Array.isArray(plain)) return plain.map(fromPlain);
  if (typeof plain === 'object')
    return Object.fromEntries(Object.entries(plain).map(([name, member]) => [name, fromPlain(member)]));
  return plain;
}

describe('entries', () => {
  for (const { name, entry, bytes, hash } of [...vectors.run, ...vectors.made])
    it(`have one encoding and one hash: ${name}`, () => {
      const value = fromPlain(entry) as Entry;
      assert.equal(textOf(Entry.encode(value)), bytes);
      assert.deepEqual(Entry.decode(bytesOf(bytes)), value);
      assert.equal(textOf(entryHash(bytesOf(bytes))), hash);
      const changed = bytesOf(bytes);
      changed[changed.length - 1] ^= 1;
      assert.notEqual(textOf(entryHash(changed)), hash);
    });

  for (const { name, bytes } of vectors.refused)
    it(`are refused: ${name}`, () => {
      assert.throws(
        () => Entry.decode(bytesOf(bytes)),
        (error) => error instanceof CryptoError && error.code === 'pack-malformed',
      );
    });

  it('make chains: each names the hash of the one before it', () => {
    const heads = new Map<string, { position: number; hash: Uint8Array }>();
    for (const { bytes } of vectors.run) {
      const { organization, position, previous } = Entry.decode(bytesOf(bytes));
      const head = heads.get(hexEncode(organization)) ?? { position: 0, hash: zeroHash };
      assert.equal(position, head.position + 1);
      assert.ok(equalBytes(previous, head.hash));
      heads.set(hexEncode(organization), { position, hash: entryHash(bytesOf(bytes)) });
    }
    assert.equal(heads.size, 2);
  });

  it('lead from one authority root to the next by their own writes', () => {
    const nodes = new Map<string, Uint8Array>();
    let changes = 0;
    for (const { bytes } of vectors.run) {
      const { authority, authorityBefore, authorityAfter } = Entry.decode(bytesOf(bytes));
      const map = new MerkleMap(authorityBefore, { node: (hash) => nodes.get(hexEncode(hash)) });
      for (const { key, value } of authority) {
        if (value === undefined) map.delete(key);
        else map.set(key, value);
      }
      assert.equal(textOf(map.root()), textOf(authorityAfter));
      for (const node of map.newNodes()) nodes.set(hexEncode(node.hash), node.bytes);
      changes += authority.length;
    }
    assert.ok(changes > 10);
  });

  it('are checkpoints at every 64th position', () => {
    assert.equal(vectors.checkpointInterval, 64);
    assert.equal(checkpointInterval, 64);
  });
});

describe('hashes under a domain', () => {
  for (const { domain, parts, hash } of vectors.domainHashes)
    it(`are those of the vectors: ${domain} and ${parts.length} parts`, () => {
      assert.equal(textOf(domainHash(domain, ...parts.map(bytesOf))), hash);
      assert.notEqual(textOf(domainHash(`${domain}x`, ...parts.map(bytesOf))), hash);
    });
});
