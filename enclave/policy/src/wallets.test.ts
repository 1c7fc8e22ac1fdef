import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { zeroHash } from '@keystead/protocol/entry';
import { noRequests } from '../testing/entries.ts';
import type { WalletCell } from './cells.ts';
import { Draft } from './draft.ts';
import { emptyHead, Organization, organizationKeys } from './organization.ts';
import { NodeCache } from './rows.ts';
import { addToWallets, removeFromWallets } from './wallets.ts';

const id = new Uint8Array(16);
const keys = organizationKeys(SecretBytes.take(new Uint8Array(32)), id);

function withWallets(...names: string[]): Draft {
  const draft = new Draft(
    new Organization(id, keys, new NodeCache(10_000, 0), noRequests(), zeroHash, emptyHead),
  );
  draft.write('organization', '', { name: 'A', tags: [], createdAtMs: 0, wallets: 0, users: [] });
  for (const name of names) addToWallets(draft, name, wallet('shared', name));
  return draft;
}

const wallet = (...tags: string[]): Omit<WalletCell, 'number'> => ({
  name: '',
  tags,
  type: 'MNEMONIC',
  accounts: [],
  createdAtMs: 0,
});

const listed = (draft: Draft): (string | undefined)[] =>
  Array.from({ length: draft.cell('organization')!.wallets }, (_, number) =>
    draft.cell('wallet-number', String(number)),
  );

describe('the list of wallets', () => {
  it('grows at its end, and the first wallet with a tag keeps it', () => {
    const draft = withWallets('a', 'b');
    assert.deepEqual(listed(draft), ['a', 'b']);
    assert.equal(draft.cell('wallet-tag', 'shared'), 'a');
    assert.equal(draft.cell('wallet-tag', 'b'), 'b');
  });

  for (const [gone, left] of [
    ['a', ['c', 'b']],
    ['b', ['a', 'c']],
    ['c', ['a', 'b']],
  ] as const)
    it(`has no gap after ${gone} of a, b, c is gone`, () => {
      const draft = withWallets('a', 'b', 'c');
      removeFromWallets(draft, gone, draft.cell('wallet', gone)!);
      assert.deepEqual(listed(draft), left);
      for (const [number, name] of left.entries()) assert.equal(draft.cell('wallet', name)?.number, number);
      assert.equal(draft.cell('wallet', gone), undefined);
      assert.equal(draft.cell('wallet-tag', gone), undefined);
      assert.equal(draft.cell('wallet-number', '2'), undefined);
      assert.equal(draft.cell('wallet-tag', 'shared'), gone === 'a' ? undefined : 'a');
    });
});
