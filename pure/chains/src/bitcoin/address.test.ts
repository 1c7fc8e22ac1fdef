import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { publicKey } from '@keystead/crypto/secp256k1';
import { Address, NETWORK, OutScript, TEST_NETWORK } from '@scure/btc-signer';
import fc from 'fast-check';
import {
  address,
  addressToScript,
  networkOfAddress,
  ownScript,
  scriptKind,
  scriptToAddress,
} from './address.ts';

function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../../vectors/${name}.json`, import.meta.url), 'utf8')) as T;
}

const bip350 = vectors<{
  valid: { address: string; scriptPubKey: string }[];
  invalid: { string: string; reason: string }[];
}>('bip350_segwit_addresses');
const bip84and86 = vectors<{
  bip84: { pubkey?: string; address?: string }[];
  bip86: { internal_key?: string; address?: string; scriptPubKey?: string }[];
}>('bip84_bip86');
const bip341 = vectors<{ scriptPubKey: { expected: { scriptPubKey: string; bip350Address: string } }[] }>(
  'bip341_taproot',
);

test('reads and writes the valid addresses of BIP-350', () => {
  assert.equal(bip350.valid.length, 8);
  for (const { address: text, scriptPubKey } of bip350.valid) {
    const network = text.toLowerCase().startsWith('bc') ? 'mainnet' : 'testnet';
    assert.equal(hexEncode(addressToScript(text, network)), scriptPubKey);
    assert.equal(scriptToAddress(hexDecode(scriptPubKey), network), text.toLowerCase());
  }
});

test('refuses the invalid addresses of BIP-350 on every network', () => {
  assert.equal(bip350.invalid.length, 26);
  for (const { string, reason } of bip350.invalid) {
    for (const network of ['mainnet', 'testnet', 'regtest'] as const) {
      assert.throws(() => addressToScript(string, network), { code: 'address-malformed' }, reason);
    }
  }
});

test('derives the addresses of BIP-84 and BIP-86', () => {
  const segwit = bip84and86.bip84.filter((entry) => entry.address !== undefined);
  assert.equal(segwit.length, 3);
  for (const entry of segwit) assert.equal(address(hexDecode(entry.pubkey!), 'BitcoinSegwit'), entry.address);
  const taproot = bip84and86.bip86.filter((entry) => entry.address !== undefined);
  assert.equal(taproot.length, 3);
  for (const entry of taproot) {
    for (const parity of ['02', '03']) {
      const key = hexDecode(parity + entry.internal_key!);
      assert.equal(address(key, 'BitcoinTaproot'), entry.address);
      assert.equal(hexEncode(ownScript(key, 'BitcoinTaproot')), entry.scriptPubKey);
    }
  }
});

test('writes the addresses of the BIP-341 scripts', () => {
  assert.equal(bip341.scriptPubKey.length, 7);
  for (const { expected } of bip341.scriptPubKey) {
    assert.equal(scriptToAddress(hexDecode(expected.scriptPubKey), 'mainnet'), expected.bip350Address);
    assert.equal(hexEncode(addressToScript(expected.bip350Address, 'mainnet')), expected.scriptPubKey);
  }
});

test('agrees with scure on every kind of script and address', () => {
  const hash = fc.uint8Array({ minLength: 20, maxLength: 20 });
  const key = fc
    .uint8Array({ minLength: 32, maxLength: 32, min: 1 })
    .map((bytes) => publicKey(bytes.fill(1, 0, 1)));
  fc.assert(
    fc.property(hash, key, (bytes, pub) => {
      for (const [kind, output] of [
        ['p2pkh', { type: 'pkh', hash: bytes }],
        ['p2sh', { type: 'sh', hash: bytes }],
        ['p2wpkh', { type: 'wpkh', hash: bytes }],
        ['p2wsh', { type: 'wsh', hash: new Uint8Array([...bytes, ...bytes.subarray(0, 12)]) }],
        ['p2tr', { type: 'tr', pubkey: pub.subarray(1) }],
      ] as const) {
        const script = OutScript.encode(output);
        assert.equal(scriptKind(script), kind);
        for (const [network, scure] of [
          ['mainnet', NETWORK],
          ['testnet', TEST_NETWORK],
        ] as const) {
          const text = Address(scure).encode(output);
          assert.equal(scriptToAddress(script, network), text);
          assert.deepEqual(addressToScript(text, network), script);
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('refuses an address of another network and a changed character', () => {
  const key = publicKey(new Uint8Array(32).fill(1));
  const own = address(key, 'BitcoinSegwit');
  assert.throws(() => addressToScript(own, 'testnet'), { code: 'address-malformed' });
  assert.throws(() => addressToScript(address(key, 'BitcoinTaproot', 'regtest'), 'testnet'), {
    code: 'address-malformed',
  });
  const legacy = '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2';
  assert.throws(() => addressToScript(legacy, 'testnet'), { code: 'address-malformed' });
  assert.throws(() => addressToScript(`${legacy.slice(0, -1)}3`, 'mainnet'), { code: 'address-malformed' });
  assert.throws(() => addressToScript(`${legacy} `, 'mainnet'), { code: 'address-malformed' });
  assert.throws(() => addressToScript('', 'mainnet'), { code: 'address-malformed' });
  assert.throws(() => address(key, 'Ethereum'), { code: 'address-format-unsupported' });
});

test('reads the network from an address of the script and from no other', () => {
  const key = publicKey(new Uint8Array(32).fill(1));
  const script = ownScript(key, 'BitcoinTaproot');
  for (const network of ['mainnet', 'testnet', 'regtest'] as const) {
    assert.equal(networkOfAddress(address(key, 'BitcoinTaproot', network), script), network);
  }
  assert.equal(networkOfAddress(address(key, 'BitcoinSegwit'), script), null);
});
