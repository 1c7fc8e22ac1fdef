import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publicKey } from '@keystead/crypto/ed25519';
import { Transaction as SuiTransaction } from '@mysten/sui/transactions';
import { getSupportedNetworkIds, deriveSubmissionConfig } from '@phantom/client';
import { Keypair, SystemProgram, TransactionMessage } from '@solana/web3.js';
import type { AddressFormat } from './chain.ts';
import { ChainError } from './error.ts';
import { caip2Of, NETWORKS, networkOf } from './networks.ts';
import { chainFor, chainsOfCurve, infer, looksLikeTransactionOfCurve } from './registry.ts';

const FORMATS: readonly AddressFormat[] = ['Solana', 'Ethereum', 'BitcoinSegwit', 'BitcoinTaproot', 'Sui'];

test('every address format belongs to exactly one chain, and every chain to the curve of its keys', () => {
  assert.deepEqual(
    FORMATS.map((format) => chainFor(format).name),
    ['solana', 'ethereum', 'bitcoin', 'bitcoin', 'sui'],
  );
  assert.deepEqual(
    chainsOfCurve('Ed25519').map((chain) => chain.name),
    ['solana', 'sui'],
  );
  assert.deepEqual(
    chainsOfCurve('Secp256k1').map((chain) => chain.name),
    ['ethereum', 'bitcoin'],
  );
  assert.throws(
    () => chainFor('Tron' as AddressFormat),
    (error) => error instanceof ChainError && error.code === 'address-format-unsupported',
  );
});

test('infers curve and format from the paths that clients send', () => {
  const cases: [string, string, string][] = [
    ["m/44'/501'/0'/0'", 'Ed25519', 'Solana'],
    ["m/44'/501'/7'", 'Ed25519', 'Solana'],
    ["m/44'/60'/0'/0/0", 'Secp256k1', 'Ethereum'],
    ["m/84'/0'/0'/0", 'Secp256k1', 'BitcoinSegwit'],
    ["m/84'/1'/0'/0/5", 'Secp256k1', 'BitcoinSegwit'],
    ["m/86'/0'/0'/0/0", 'Secp256k1', 'BitcoinTaproot'],
    ["m/44'/784'/0'/0'/0'", 'Ed25519', 'Sui'],
    ["m/44'/501'/2147483647'/0'", 'Ed25519', 'Solana'],
  ];
  for (const [path, curve, addressFormat] of cases)
    assert.deepEqual(infer(path), { curve, addressFormat }, path);
});

test('refuses to guess at a path that stands for no single format', () => {
  for (const path of [
    "m/44'/0'/0'/0/0",
    "m/44'/195'/0'/0/0",
    "m/49'/0'/0'/0/0",
    'm/0',
    'm/44/501/0',
    "m/44'",
    "m/84'/501'/0'",
  ]) {
    assert.throws(
      () => infer(path),
      (error) => error instanceof ChainError && error.code === 'derivation-path-ambiguous',
      path,
    );
  }
});

test('E3: refuses every other spelling of a path', () => {
  const paths = [
    '',
    'm',
    'm/',
    "44'/501'/0'",
    "M/44'/501'/0'",
    'm/44h/501h/0h',
    'm/44H/501H/0H',
    'm/44’/501’/0’',
    'm/44′/501′/0′',
    "m/44''/501'/0'",
    "m/ 44'/501'/0'",
    "m/44'/501'/0' ",
    "m/44'/501'/0'/",
    "m/44'//501'/0'",
    "m/+44'/501'/0'",
    "m/-44'/501'/0'",
    "m/044'/501'/0'",
    "m/0x2c'/501'/0'",
    "m/44'/501'/4294967296'",
    "m/44'/501'/2147483648'",
    "m/44'/501'/1e3'",
    "m/٤٤'/501'/0'",
    "m/44'/501'/0'\n",
    "m/44'/501'/0",
    "m/44'/784'/0'/0/0",
    `m/44'/501'${"/0'".repeat(9)}`,
  ];
  for (const path of paths) {
    assert.throws(
      () => infer(path),
      (error) => error instanceof ChainError && error.code === 'derivation-path-malformed',
      JSON.stringify(path),
    );
  }
});

test('E2: a message that is a transaction of any chain of the same curve is seen, whatever chain is asked', async () => {
  const payer = Keypair.fromSeed(new Uint8Array(32).fill(1)).publicKey;
  const solanaMessage = new TransactionMessage({
    payerKey: payer,
    recentBlockhash: payer.toBase58(),
    instructions: [SystemProgram.transfer({ fromPubkey: payer, toPubkey: payer, lamports: 1 })],
  })
    .compileToV0Message()
    .serialize();
  const transaction = new SuiTransaction();
  transaction.setSender(chainFor('Sui').address(publicKey(new Uint8Array(32).fill(1)), 'Sui'));
  transaction.setGasPayment([
    { objectId: `0x${'aa'.repeat(32)}`, version: '1', digest: `${'1'.repeat(31)}2` },
  ]);
  transaction.setGasPrice(1n);
  transaction.setGasBudget(1n);
  transaction.transferObjects([transaction.gas], `0x${'bb'.repeat(32)}`);
  const suiBytes = await transaction.build();
  assert.equal(looksLikeTransactionOfCurve(solanaMessage, 'Ed25519'), true);
  assert.equal(looksLikeTransactionOfCurve(suiBytes, 'Ed25519'), true);
  const text = new TextEncoder().encode('Sign in to example.com. Nonce 71.');
  assert.equal(looksLikeTransactionOfCurve(text, 'Ed25519'), false);
  assert.equal(looksLikeTransactionOfCurve(text, 'Secp256k1'), false);
});

test("maps every network that the published client names to the client's own CAIP-2 id", () => {
  const ids = getSupportedNetworkIds();
  assert.ok(ids.length >= 17);
  for (const caip2 of ids) {
    const config = deriveSubmissionConfig(caip2)!;
    assert.equal(caip2Of(config), caip2);
    assert.deepEqual(
      { chain: networkOf(caip2)!.chain, network: networkOf(caip2)!.network },
      { chain: config.chain, network: config.network },
    );
  }
});

test('forgives spelling of chain and network, and knows no network that it does not list', () => {
  const solana = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp';
  for (const named of [
    { chain: 'Solana', network: 'mainnet-beta' },
    { chain: 'SOL', network: 'MAINNET' },
    { chain: 'solana' },
    { chain: solana },
    { chain: 'solana', network: solana },
  ]) {
    assert.equal(caip2Of(named), solana);
  }
  assert.equal(caip2Of({ chain: 'arbitrum', network: 'one' }), 'eip155:42161');
  assert.equal(caip2Of({ chain: 'sui', network: 'devnet' }), 'sui:devnet');
  assert.equal(caip2Of({ chain: 'ethereum', network: solana }), null);
  assert.equal(caip2Of({ chain: 'optimism', network: 'mainnet' }), null);
  assert.equal(caip2Of({ chain: 'ethereum', network: 'amoy' }), null);
  assert.equal(networkOf('eip155:10'), null);
  assert.equal(new Set(NETWORKS.map((each) => each.caip2)).size, NETWORKS.length);
});
