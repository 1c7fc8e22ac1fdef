import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import {
  AuthorityLeaf,
  authenticatorLeafKey,
  grantLeafKey,
  guardiansLeafKey,
  keyHashOf,
  organizationLeafKey,
  userLeafKey,
  walletLeafKey,
} from './authority.ts';
import {
  authenticatorIdOf,
  formatUuid,
  organizationIdOf,
  parseUuid,
  uuidFromHash,
  walletIdOf,
} from './ids.ts';

type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain };
type Id =
  | {
      readonly of: 'organization';
      readonly deploymentId: string;
      readonly identity: string;
      readonly id: string;
    }
  | { readonly of: 'wallet'; readonly organization: string; readonly identity: string; readonly id: string }
  | {
      readonly of: 'authenticator';
      readonly organization: string;
      readonly identity: string;
      readonly index: number;
      readonly id: string;
    };
type LeafKey = { readonly key: string } & (
  | { readonly leaf: 'organization' }
  | { readonly leaf: 'guardians' }
  | { readonly leaf: 'user'; readonly username: string }
  | { readonly leaf: 'authenticator'; readonly keyHash: string }
  | { readonly leaf: 'wallet'; readonly walletId: string }
  | { readonly leaf: 'grant'; readonly walletId: string; readonly target: string; readonly name: string }
);

const vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/keystead/state.json', import.meta.url), 'utf8'),
) as {
  readonly ids: readonly Id[];
  readonly keyHashes: readonly {
    readonly algorithm: number;
    readonly publicKey: string;
    readonly keyHash: string;
  }[];
  readonly leafKeys: readonly LeafKey[];
  readonly leaves: readonly { readonly leaf: Plain; readonly bytes: string }[];
};

const bytesOf = (text: string): Uint8Array => hexDecode(text.slice(2));
const textOf = (bytes: Uint8Array): string => `0x${hexEncode(bytes)}`;

function fromPlain(plain: Plain): unknown {
  if (plain === null) return undefined;
  if (typeof plain === 'string') return plain.startsWith('0x') ? bytesOf(plain) : plain;
  if (Array.isArray(plain)) return plain.map(fromPlain);
  if (typeof plain === 'object')
    return Object.fromEntries(Object.entries(plain).map(([name, member]) => [name, fromPlain(member)]));
  return plain;
}

describe('ids', () => {
  for (const vector of vectors.ids)
    it(`commit to what they belong to: ${vector.of} ${vector.id}`, () => {
      const identity = bytesOf(vector.identity);
      const idOf = (asked: Uint8Array): Uint8Array =>
        vector.of === 'organization'
          ? organizationIdOf(bytesOf(vector.deploymentId), asked)
          : vector.of === 'wallet'
            ? walletIdOf(bytesOf(vector.organization), asked)
            : authenticatorIdOf(bytesOf(vector.organization), asked, vector.index);
      assert.equal(formatUuid(idOf(identity)), vector.id);
      identity[31] ^= 1;
      assert.notEqual(formatUuid(idOf(identity)), vector.id);
    });

  it('are UUIDs of version 8 whatever the hash', () => {
    for (const fill of [0, 0x5a, 0xff])
      assert.match(
        formatUuid(uuidFromHash(new Uint8Array(32).fill(fill))),
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
  });

  it('are read in lower case and with hyphens only', () => {
    const [{ id }] = vectors.ids;
    assert.equal(formatUuid(parseUuid(id)!), id);
    for (const text of [id.toUpperCase(), id.replaceAll('-', ''), `${id}0`, id.slice(1), `{${id}}`, ''])
      assert.equal(parseUuid(text), undefined);
  });
});

describe('leaves of the authority set', () => {
  for (const { algorithm, publicKey, keyHash } of vectors.keyHashes)
    it(`name a key of algorithm ${algorithm} by its hash`, () => {
      assert.equal(textOf(keyHashOf(algorithm, bytesOf(publicKey))), keyHash);
      assert.notEqual(textOf(keyHashOf(3 - algorithm, bytesOf(publicKey))), keyHash);
    });

  it('stand under keys that tell kinds and names apart', () => {
    const keyOf = (vector: LeafKey): Uint8Array => {
      switch (vector.leaf) {
        case 'organization':
          return organizationLeafKey;
        case 'guardians':
          return guardiansLeafKey;
        case 'user':
          return userLeafKey(vector.username);
        case 'authenticator':
          return authenticatorLeafKey(bytesOf(vector.keyHash));
        case 'wallet':
          return walletLeafKey(bytesOf(vector.walletId));
        case 'grant':
          return grantLeafKey(bytesOf(vector.walletId), bytesOf(vector.target), vector.name);
      }
    };
    for (const vector of vectors.leafKeys) assert.equal(textOf(keyOf(vector)), vector.key);
    assert.equal(new Set(vectors.leafKeys.map(({ key }) => key)).size, vectors.leafKeys.length);
  });

  it('have one encoding', () => {
    const kinds = new Set<string>();
    for (const { leaf, bytes } of vectors.leaves) {
      const value = fromPlain(leaf) as AuthorityLeaf;
      assert.equal(textOf(AuthorityLeaf.encode(value)), bytes);
      assert.deepEqual(AuthorityLeaf.decode(bytesOf(bytes)), value);
      assert.throws(() => AuthorityLeaf.decode(bytesOf(`${bytes}00`)), { code: 'pack-malformed' });
      kinds.add(value.leaf);
    }
    assert.deepEqual([...kinds].sort(), [
      'authenticator',
      'grant',
      'guardians',
      'organization',
      'user',
      'wallet',
    ]);
  });
});
