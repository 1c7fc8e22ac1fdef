import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { test } from 'node:test';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { openAccount } from './accounts.ts';
import { accountLabel } from './sealed-row.ts';
import { type KeyPair, Vault } from './vault.ts';
import { sealedRowHash, wrappingBytes, wrappingOf } from '@keystead/protocol/sealed-row';
import { newSecret, type WalletSecret } from './wallet-secret.ts';

const random = (length: number) => new Uint8Array(randomBytes(length));
const walletKey = (generation: number, fill = generation) => ({
  generation,
  key: new SecretBytes(new Uint8Array(32).fill(fill)),
});
const vault = new Vault([walletKey(1)], random);
const walletId = new Uint8Array(16).fill(2);
const mnemonic = () => newSecret({ type: 'MNEMONIC', mnemonicLength: 24, accounts: [] }, random);
const keypair = () =>
  newSecret({ type: 'KEYPAIR', curve: 'Secp256k1', addressFormat: 'BitcoinSegwit' }, random);

function shown(secret: WalletSecret | undefined): unknown {
  if (secret === undefined) return undefined;
  return secret.type === 'MNEMONIC'
    ? [secret.type, secret.entropy.expose(), secret.seed.expose()]
    : [secret.type, secret.curve, secret.addressFormat, secret.privateKey.expose()];
}

test('opens what it sealed, also after the process was started again', () => {
  for (const secret of [mnemonic(), keypair()]) {
    const row = vault.seal(walletId, secret);
    const restarted = new Vault([walletKey(1)], random);
    assert.deepEqual(shown(restarted.open(walletId, row)), shown(secret));
  }
});

test('opens no row with any byte changed, cut or added, but for the check, which is for those without the key', () => {
  for (const secret of [mnemonic(), keypair()]) {
    const row = vault.seal(walletId, secret);
    for (let index = 0; index < row.length; index++) {
      const altered = row.slice();
      altered[index]! ^= 1;
      assert.equal(wrappingOf(altered), undefined, `byte ${index}`);
      const isCheck = index >= wrappingBytes - 8 && index < wrappingBytes;
      if (!isCheck) assert.equal(vault.open(walletId, altered), undefined, `byte ${index}`);
    }
    assert.equal(vault.open(walletId, row.subarray(1)), undefined);
    assert.equal(vault.open(walletId, new Uint8Array([...row, 0])), undefined);
    assert.equal(vault.open(walletId, new Uint8Array(0)), undefined);
  }
});

const derivations = [
  { curve: 'Ed25519', derivationPath: "m/44'/501'/0'/0'", addressFormat: 'Solana' },
  { curve: 'Secp256k1', derivationPath: "m/44'/60'/0'/0/0", addressFormat: 'Ethereum' },
] as const;

function rowWithAccounts(): { row: Uint8Array; secret: WalletSecret; pairs: KeyPair[] } {
  const secret = mnemonic();
  const pairs = derivations.map((derivation) => openAccount(secret, derivation).pair);
  return { row: vault.seal(walletId, secret, pairs), secret, pairs };
}

test('the keys of accounts that a row holds are those that the seed gives', () => {
  const { row, pairs } = rowWithAccounts();
  const open = vault.openRow(walletId, row)!;
  for (const pair of pairs) {
    const found = open.pair(pair.curve, pair.derivationPath)!;
    assert.deepEqual(found.privateKey.expose(), pair.privateKey.expose());
    assert.deepEqual(found.publicKey, pair.publicKey);
  }
  assert.equal(open.pair('Ed25519', "m/44'/501'/1'/0'"), undefined);
  assert.equal(open.pair('Secp256k1', derivations[0].derivationPath), undefined);
  open.wipe();
  assert.throws(() => open.pair('Ed25519', derivations[0].derivationPath));
});

test('no byte of a row can be changed so that it opens to another key', () => {
  const { row, secret, pairs } = rowWithAccounts();
  const right = pairs.map((pair) => Buffer.from(pair.privateKey.expose()).toString('hex'));
  for (let index = 0; index < row.length; index++) {
    const altered = row.slice();
    altered[index]! ^= 1;
    const open = vault.openRow(walletId, altered);
    if (open === undefined) continue;
    const whole = open.secret();
    if (whole !== undefined) assert.deepEqual(shown(whole), shown(secret));
    for (const [at, { curve, derivationPath }] of derivations.entries()) {
      let pair: KeyPair | undefined;
      try {
        pair = open.pair(curve, derivationPath);
      } catch {
        continue;
      }
      if (pair !== undefined)
        assert.equal(Buffer.from(pair.privateKey.expose()).toString('hex'), right[at], `byte ${index}`);
    }
  }
});

test('the key of one account does not open under the name of another', () => {
  const { row } = rowWithAccounts();
  const labels = derivations.map(({ curve, derivationPath }) => accountLabel(curve, derivationPath));
  const swapped = Buffer.from(row);
  const places = labels.map((label) => swapped.indexOf(label));
  assert.ok(places.every((place) => place > 0));
  swapped.set(labels[1]!, places[0]!);
  swapped.set(labels[0]!, places[1]!);
  assert.equal(vault.openRow(walletId, Uint8Array.from(swapped)), undefined);
  // Nor where the row were taken for the one that was sealed.
  const open = vault.openRow(walletId, Uint8Array.from(swapped), sealedRowHash(row))!;
  for (const { curve, derivationPath } of derivations)
    assert.throws(() => open.pair(curve, derivationPath), { code: 'decryption-failed' });
});

test('opens no row for another wallet or under another wallet key', () => {
  const row = vault.seal(walletId, mnemonic());
  assert.equal(vault.open(new Uint8Array(16), row), undefined);
  const other = new Vault([walletKey(1, 3)], random);
  assert.equal(other.open(walletId, row), undefined);
  assert.notEqual(vault.open(walletId, row), undefined);
});

test('two rows of one secret have nothing in common but the header', () => {
  const secret = keypair();
  const [one, two] = [vault.seal(walletId, secret), vault.seal(walletId, secret)];
  const headers = [
    [0, 5],
    [wrappingBytes, wrappingBytes + 18],
  ] as const;
  for (const header of headers) assert.deepEqual(one.subarray(...header), two.subarray(...header));
  assert.notDeepEqual(one.subarray(5, wrappingBytes - 8), two.subarray(5, wrappingBytes - 8));
  assert.notDeepEqual(one.subarray(wrappingBytes + 18), two.subarray(wrappingBytes + 18));
  assert.notDeepEqual(sealedRowHash(one), sealedRowHash(two));
});

test('a row does not contain the secret, nor does a secret print itself', () => {
  const secret = keypair();
  if (secret.type !== 'KEYPAIR') throw new Error('a key pair was asked for');
  const key = Buffer.from(secret.privateKey.expose());
  assert.equal(Buffer.from(vault.seal(walletId, secret)).includes(key), false);
  const printed = `${inspect(secret)} ${JSON.stringify(secret)} ${secret.privateKey}`;
  assert.equal(printed.includes(key.toString('hex')), false);
  assert.match(printed, /REDACTED/);
});

test('a generated mnemonic has the entropy of its length', () => {
  for (const [mnemonicLength, bytes] of [
    [12, 16],
    [15, 20],
    [18, 24],
    [21, 28],
    [24, 32],
  ] as const) {
    const secret = newSecret({ type: 'MNEMONIC', mnemonicLength, accounts: [] }, random);
    assert.equal(secret.type === 'MNEMONIC' && secret.entropy.length, bytes);
  }
});
