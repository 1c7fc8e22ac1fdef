import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { publicKey } from '@keystead/crypto/secp256k1';
import { privateKeyToAddress } from 'viem/accounts';
import { address, checksumAddress, parseAddress, sameAddress } from './address.ts';

test('derives the same addresses as viem', () => {
  for (let index = 1; index <= 20; index += 1) {
    const key = new Uint8Array(32).fill(index);
    assert.equal(address(publicKey(key), 'Ethereum'), privateKeyToAddress(`0x${hexEncode(key)}`));
  }
});

test('writes the addresses of EIP-55', () => {
  for (const text of [
    '0x52908400098527886E0F7030069857D2E4169EE7',
    '0x8617E340B3D01FA5F11F306F4090FD50E238070D',
    '0xde709f2102306220921060314715629080e2fb77',
    '0x27b1fdb04752bbc536007a920d24acb045561c26',
    '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
    '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
    '0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB',
    '0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb',
  ]) {
    assert.equal(checksumAddress(hexDecode(text.slice(2))), text);
    assert.equal(hexEncode(parseAddress(text)), text.slice(2).toLowerCase());
  }
});

test('refuses mixed case without its checksum, other lengths and other prefixes', () => {
  for (const text of [
    '0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
    '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe',
    '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed0',
    '0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
    '5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
    ' 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
    '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg',
    '',
  ]) {
    assert.throws(() => parseAddress(text), { code: 'address-malformed' }, text);
  }
});

test('compares accounts, not spellings', () => {
  assert.ok(
    sameAddress('0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed', '0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed'),
  );
  assert.ok(
    !sameAddress('0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed', '0x27b1fdb04752bbc536007a920d24acb045561c26'),
  );
});

test('refuses address formats of other chains', () => {
  const key = publicKey(new Uint8Array(32).fill(1));
  assert.throws(() => address(key, 'BitcoinSegwit'), { code: 'address-format-unsupported' });
});
