import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { PublicKey } from '@solana/web3.js';
import { p2tr, p2wpkh } from '@scure/btc-signer';
import { Ed25519PublicKey } from '@mysten/sui/keypairs/ed25519';
import { computeAddress } from 'ethers';
import type { RawClient } from '../raw-client.ts';
import { conforming } from './conforms.ts';
import { code } from './refused.ts';

const running = withStack();

interface Account {
  curve: string;
  derivationPath: string;
  addressFormat: string;
  address: string;
  publicKey: string;
}
interface Wallet {
  walletId: string;
  walletName: string;
  tags: string[];
  type: string;
  accounts?: Account[];
  account?: Omit<Account, 'derivationPath'>;
}

const DEFAULTS = ["m/44'/501'/0'/0'", "m/44'/60'/0'/0/0", "m/84'/0'/0'/0", "m/44'/784'/0'/0'/0'"];

/** The address that a library of the chain gives for the public key. */
function addressFor({ addressFormat, publicKey }: Pick<Account, 'addressFormat' | 'publicKey'>): string {
  switch (addressFormat) {
    case 'Solana':
      return new PublicKey(publicKey).toBase58();
    case 'Ethereum':
      return computeAddress(`0x${publicKey}`);
    case 'Sui':
      return new Ed25519PublicKey(Buffer.from(publicKey, 'hex')).toSuiAddress();
    case 'BitcoinSegwit':
      return p2wpkh(Buffer.from(publicKey, 'hex')).address!;
    default:
      return p2tr(Buffer.from(publicKey, 'hex').subarray(1)).address!;
  }
}

const create = async (client: RawClient, params: Record<string, unknown>) =>
  conforming('createWallet', await client.call<Wallet>('createWallet', params));

test('createWallet: a mnemonic wallet with the account of index 0 of each chain', async () => {
  const { client, organizationId } = await running.organization();
  const wallet = await create(client, { organizationId, walletName: 'W', tags: ['a', 'b'] });
  assert.deepEqual([wallet.type, wallet.walletName, wallet.tags], ['MNEMONIC', 'W', ['a', 'b']]);
  assert.deepEqual(
    wallet.accounts!.map(({ derivationPath }) => derivationPath),
    DEFAULTS,
  );
  for (const account of wallet.accounts!) assert.equal(account.address, addressFor(account));
});

test('createWallet: accounts as paths or objects, under either name, of 12 to 24 words', async () => {
  const { client, organizationId } = await running.organization();
  const object = { derivationPath: "m/86'/0'/0'/0/0", curve: 'Secp256k1', addressFormat: 'BitcoinTaproot' };
  for (const mnemonicLength of [12, 15, 18, 21, 24]) {
    const name = mnemonicLength === 12 ? 'derivationPaths' : 'accounts';
    const params = { organizationId, walletName: 'W', mnemonicLength, [name]: [DEFAULTS[1], object] };
    const { accounts } = await create(client, params);
    assert.deepEqual(
      accounts!.map(({ addressFormat }) => addressFormat),
      ['Ethereum', 'BitcoinTaproot'],
    );
    for (const account of accounts!) assert.equal(account.address, addressFor(account));
  }
  await assert.rejects(
    create(client, { organizationId, walletName: 'W', mnemonicLength: 13 }),
    code('parameter-invalid', 'params.mnemonicLength'),
  );
  await assert.rejects(
    create(client, { organizationId, walletName: 'W', accounts: ["m/44'/501'/0'/0"] }),
    code('derivation-path-invalid'),
  );
});

test('createWallet: a single key of either curve, K256 as the older name', async () => {
  const { client, organizationId } = await running.organization();
  const forms = [
    [{ curve: 'Ed25519' }, 'Ed25519', 'Solana'],
    [{ curve: 'Ed25519', addressFormat: 'Sui' }, 'Ed25519', 'Sui'],
    [{ curve: 'K256' }, 'Secp256k1', 'Ethereum'],
    [{ curve: 'Secp256k1', addressFormat: 'BitcoinSegwit' }, 'Secp256k1', 'BitcoinSegwit'],
  ] as const;
  for (const [params, curve, addressFormat] of forms) {
    const { type, account, accounts } = await create(client, { organizationId, walletName: 'K', ...params });
    assert.deepEqual(
      [type, account!.curve, account!.addressFormat, accounts],
      ['KEYPAIR', curve, addressFormat, undefined],
    );
    assert.equal(account!.address, addressFor(account!));
  }
  await assert.rejects(
    create(client, { organizationId, walletName: 'K', curve: 'Ed25519', addressFormat: 'Ethereum' }),
    code('curve-mismatch'),
  );
});

test('getOrCreateWalletWithTag: makes the wallet once, then finds it', async () => {
  const { client, organizationId } = await running.organization();
  const call = async (tag: string, walletName: string) =>
    conforming(
      'getOrCreateWalletWithTag',
      await client.call<Wallet>('getOrCreateWalletWithTag', {
        organizationId,
        walletName,
        tag,
        accounts: DEFAULTS,
        mnemonicLength: 24,
      }),
    );
  const made = await call('t1', 'first');
  const again = await call('t1', 'another name');
  assert.deepEqual(again, made);
  assert.notEqual((await call('t2', 'first')).walletId, made.walletId);
  const { totalCount } = await client.call<{ totalCount: number }>('getOrganizationWallets', {
    organizationId,
  });
  assert.equal(totalCount, 2);
});

test('getWalletWithTag: finds the wallet, with accounts that are named or those it has', async () => {
  const { client, organizationId } = await running.organization();
  const made = await create(client, { organizationId, walletName: 'W', tags: ['x', 'y'] });
  const find = async (params: Record<string, unknown>) =>
    conforming(
      'getWalletWithTag',
      await client.call<Wallet>('getWalletWithTag', { organizationId, ...params }),
    );
  assert.deepEqual((await find({ tag: 'y' })).accounts, made.accounts);
  const path = "m/44'/60'/0'/0/7";
  for (const params of [{ derivationPaths: [path] }, { accounts: [path] }]) {
    const { walletId, accounts } = await find({ tag: 'x', ...params });
    assert.equal(walletId, made.walletId);
    assert.deepEqual(
      accounts!.map(({ derivationPath }) => derivationPath),
      [path],
    );
    assert.equal(accounts![0]!.address, addressFor(accounts![0]!));
  }
  await assert.rejects(find({ tag: 'z' }), code('wallet-not-found'));
});

test('getOrganizationWallets: pages, 20 when nothing is said, at most 100', async () => {
  const { client, organizationId } = await running.organization();
  const names = Array.from({ length: 23 }, (_, i) => `w${String(i).padStart(2, '0')}`);
  await Promise.all(
    names.map((walletName) => create(client, { organizationId, walletName, curve: 'Ed25519' })),
  );
  const page = async (params: Record<string, unknown>) =>
    conforming(
      'getOrganizationWallets',
      await client.call<{ wallets: Wallet[]; totalCount: number; limit: number; offset: number }>(
        'getOrganizationWallets',
        { organizationId, ...params },
      ),
    );
  const first = await page({});
  assert.deepEqual([first.wallets.length, first.totalCount, first.limit, first.offset], [20, 23, 20, 0]);
  const rest = await page({ limit: 5, offset: 20 });
  assert.deepEqual([rest.wallets.length, rest.limit, rest.offset], [3, 5, 20]);
  const all = [...first.wallets, ...rest.wallets];
  assert.deepEqual(all.map(({ walletName }) => walletName).sort(), names);
  assert.deepEqual((await page({ limit: 100, offset: 0 })).wallets, all);
  assert.deepEqual((await page({ offset: 1000 })).wallets, []);
  await assert.rejects(page({ limit: 101 }), code('parameter-invalid', 'params.limit'));
  await assert.rejects(page({ offset: -1 }), code('parameter-invalid', 'params.offset'));
});

test('getAccounts: derives any path, in the order asked for, the same every time', async () => {
  const { client, organizationId } = await running.organization();
  const { walletId } = await create(client, { organizationId, walletName: 'W' });
  const asked = [
    "m/44'/501'/5'/0'",
    { derivationPath: "m/44'/60'/3'/0/9", curve: 'Secp256k1', addressFormat: 'Ethereum' },
    { derivationPath: "m/86'/0'/0'/1/2", curve: 'Secp256k1', addressFormat: 'BitcoinTaproot' },
    "m/84'/0'/2'/0/0",
    "m/44'/784'/1'/0'/0'",
  ];
  const get = async () =>
    conforming(
      'getAccounts',
      await client.call<Account[]>('getAccounts', { organizationId, walletId, accounts: asked }),
    );
  const accounts = await get();
  assert.deepEqual(
    accounts.map(({ derivationPath }) => derivationPath),
    asked.map((one) => (typeof one === 'string' ? one : one.derivationPath)),
  );
  for (const account of accounts) assert.equal(account.address, addressFor(account));
  assert.deepEqual(await get(), accounts);
  const single = await create(client, { organizationId, walletName: 'K', curve: 'Ed25519' });
  const [only] = await client.call<Account[]>('getAccounts', {
    organizationId,
    walletId: single.walletId,
    accounts: [],
  });
  assert.equal(only!.address, single.account!.address);
  const other = await running.organization();
  await assert.rejects(
    other.client.call('getAccounts', { organizationId: other.organizationId, walletId, accounts: asked }),
    code('wallet-not-found'),
  );
  // No two of the accounts share a key.
  const keys = accounts.map(({ publicKey }) => createHash('sha256').update(publicKey).digest('hex'));
  assert.equal(new Set(keys).size, keys.length);
});

test('createWallet: the longest row that a request can ask for is made, stored and opened again', async () => {
  const { client, organizationId } = await running.organization();
  const accounts = Array.from({ length: 16 }, (_, index) => `m/44'/501'/${index}'`);
  const caps = Array.from({ length: 16 }, (_, index) => ({
    asset: `eip155:${'1'.repeat(60)}${1000 + index}/erc20:${'a'.repeat(82)}`,
    amount: '9'.repeat(78),
  }));
  const networks = Array.from({ length: 16 }, (_, index) => `eip155:1${String(index).padStart(18, '0')}`);
  const { walletId } = await client.native<Wallet>('createWallet', {
    organizationId,
    walletName: 'W',
    accounts: accounts.map((derivationPath) => ({
      derivationPath,
      curve: 'Ed25519',
      addressFormat: 'Solana',
    })),
    constraints: { networks: ['solana', ...networks.slice(1)], caps },
  });
  const asked = [{ derivationPath: accounts[15], curve: 'Ed25519', addressFormat: 'Solana' }];
  const [told] = await client.native<Account[]>('getAccounts', { organizationId, walletId, accounts: asked });
  assert.equal(told!.address, addressFor(told!));
});
