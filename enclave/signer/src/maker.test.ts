import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { derivePublic } from '@keystead/crypto/bip32';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { formatUuid, walletIdOf } from '@keystead/protocol/ids';
import { maximumSealedRowBytes } from '@keystead/protocol/sealed-row';
import type { Derivation } from '@keystead/protocol/parameters/derivation';
import type { Made } from '@keystead/protocol/ticket';
import { type Call, SignerBench } from '../testing/signer-bench.ts';

const refusalOf = (made: Made): Record<string, string> | null =>
  made.refusal.length === 0 ? null : JSON.parse(Buffer.from(made.refusal).toString());

function held(method = 'createWallet', params: object = { walletName: 'Treasury' }) {
  const bench = new SignerBench();
  const call = bench.call(method, params);
  bench.hold(call);
  return { bench, call, walletId: walletIdOf(bench.organization.id, call.identity) };
}

function assertNothingMade(made: Made): void {
  assert.notEqual(refusalOf(made), null);
  assert.equal(made.sealed.length, 0);
  assert.equal(made.accounts.length, 0);
}

describe('a new secret', () => {
  test('is the same for the same request for 5 minutes, and another for another request', () => {
    const { bench, call, walletId } = held();
    const first = bench.make(call, walletId);
    assert.equal(refusalOf(first), null);
    assert.deepEqual(bench.make(call, walletId), first);
    const second = bench.call('createWallet', { walletName: 'Treasury' });
    bench.hold(second);
    const other = bench.make(second, walletIdOf(bench.organization.id, second.identity));
    assert.notDeepEqual(other.accounts, first.accounts);
    bench.now += 5 * 60 * 1000 + 1;
    bench.hold(call);
    assert.notDeepEqual(bench.make(call, walletId).secret, first.secret);
    assert.equal(bench.metrics().rowsMade, 3);
  });

  test('is not made for a request that the signer did not get', () => {
    const bench = new SignerBench();
    const call = bench.call('createWallet', { walletName: 'Treasury' });
    assertNothingMade(bench.make(call, walletIdOf(bench.organization.id, call.identity)));
  });

  test('is not made on the word of a message that the policy engine did not write', () => {
    const { bench, call, walletId } = held();
    const forged = () =>
      bench.make(call, walletId, { message: (sealed) => ({ ...sealed, mac: new Uint8Array(32) }) });
    assert.throws(forged, /nothing was made/);
    assert.deepEqual(bench.metrics().refused, { 'make-mac': 1 });
  });

  test('is not made for another organization, wallet id or method than the request’s', () => {
    const { bench, call, walletId } = held();
    assertNothingMade(bench.make(call, walletId, { organization: new Uint8Array(16) }));
    assertNothingMade(bench.make(call, new Uint8Array(16)));
    const read = held('getAccounts', { walletId: formatUuid(walletId), accounts: [] });
    assertNothingMade(read.bench.make(read.call, read.walletId));
    assert.equal(bench.metrics().rowsMade, 0);
  });

  test('is not made when the stamp does not verify or is for another deployment', () => {
    const bench = new SignerBench();
    const attempt = (call: Call) => {
      bench.hold(call);
      return refusalOf(bench.make(call, walletIdOf(bench.organization.id, call.identity)))?.code;
    };
    const call = bench.call('createWallet', { walletName: 'Treasury' });
    const signature = `keystead=:${Buffer.alloc(64, 1).toString('base64')}:`;
    assert.equal(attempt({ ...call, raw: { ...call.raw, signature } }), 'stamp-invalid');
    const elsewhere = bench.call(
      'createWallet',
      { walletName: 'Treasury' },
      { deployment: new Uint8Array(32) },
    );
    assert.equal(attempt(elsewhere), 'deployment-mismatch');
  });

  test('with the longest constraints that a request can ask for is made like any other, and ends nothing', () => {
    const caps = Array.from({ length: 16 }, (_, i) => ({
      asset: `eip155:${'1'.repeat(60)}${1000 + i}/erc20:${'a'.repeat(82)}`,
      amount: '9'.repeat(78),
    }));
    const networks = Array.from({ length: 16 }, (_, i) => `eip155:1${String(i).padStart(18, '0')}`);
    const accounts = Array.from({ length: 16 }, (_, i) => ({
      derivationPath: `m/44'/501'/${i}'`,
      curve: 'Ed25519',
      addressFormat: 'Solana',
    }));
    const constraints = { networks, caps, signs: 'TRANSACTIONS', export: false };
    const { bench, call, walletId } = held('createWallet', { walletName: 'Vault', accounts, constraints });
    const made = bench.make(call, walletId);
    assert.equal(refusalOf(made), null);
    assert.ok(made.sealed.length > 4096 && made.sealed.length <= maximumSealedRowBytes);
  });
});

describe('accounts of a wallet that exists', () => {
  const derivation = {
    derivationPath: "m/44'/501'/3'/0'",
    curve: 'Ed25519',
    addressFormat: 'Solana',
  } as const;

  function existing(asked: Derivation = derivation) {
    const bench = new SignerBench();
    const { wallet } = bench.createWallet();
    const { walletId, secret, row: sealed } = wallet;
    const params = {
      walletId: formatUuid(walletId),
      derivationInfo: asked,
      message: 'a',
      algorithm: asked.curve,
    };
    const call = bench.call('signUtf8Message', params);
    bench.hold(call);
    return { bench, call, walletId, options: { secret, sealed, paths: [asked] } };
  }

  test('are told for the path that the request asks for, without the row', () => {
    const { bench, call, walletId, options } = existing();
    const made = bench.make(call, walletId, options);
    assert.equal(refusalOf(made), null);
    assert.equal(made.sealed.length, 0);
    const { accounts } = JSON.parse(Buffer.from(made.accounts).toString());
    assert.deepEqual(Object.keys(accounts[0]).sort(), [
      'address',
      'addressFormat',
      'curve',
      'derivationPath',
      'publicKey',
    ]);
    assert.equal(accounts[0].address, accounts[0].publicKey);
  });

  test('come with the key of a Bitcoin account, from which anybody derives the same addresses, and of no other', () => {
    const told = (path: string, addressFormat: Derivation['addressFormat']) => {
      const { bench, call, walletId, options } = existing({
        derivationPath: path,
        curve: 'Secp256k1',
        addressFormat,
      });
      return JSON.parse(Buffer.from(bench.make(call, walletId, options).accounts).toString());
    };
    for (const [format, purpose] of [
      ['BitcoinSegwit', 84],
      ['BitcoinTaproot', 86],
    ] as const) {
      const { accounts, accountKeys } = told(`m/${purpose}'/0'/0'/1/7`, format);
      assert.equal(accountKeys.length, 1);
      const [{ path, publicKey, chainCode }] = accountKeys;
      assert.equal(path, `m/${purpose}'/0'/0'`);
      const extended = { publicKey: hexDecode(publicKey), chainCode: hexDecode(chainCode) };
      assert.equal(hexEncode(derivePublic(extended, [1, 7]).publicKey), accounts[0].publicKey);
    }
    // Not a path below an account, and not Bitcoin.
    assert.equal(told("m/84'/0'/0'/1'/7", 'BitcoinSegwit').accountKeys, undefined);
    assert.equal(told("m/44'/60'/0'/0/7", 'Ethereum').accountKeys, undefined);
  });

  test('are not told for other paths, other rows, or without the row', () => {
    const { bench, call, walletId, options } = existing();
    const other = { ...derivation, derivationPath: "m/44'/501'/4'/0'" };
    assertNothingMade(bench.make(call, walletId, { ...options, paths: [other] }));
    assertNothingMade(bench.make(call, walletId, { ...options, secret: new Uint8Array(32) }));
    assertNothingMade(bench.make(call, walletId, { secret: options.secret, paths: options.paths }));
    assertNothingMade(bench.make(call, new Uint8Array(16), options));
    assert.equal(refusalOf(bench.make(call, walletId, options)), null);
  });
});
