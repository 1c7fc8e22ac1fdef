import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Encode } from '@keystead/crypto/bytes';
import fc from 'fast-check';
import { createSiweMessage } from 'viem/siwe';
import { signInDomain } from './sign-in.ts';

const message = (domain: string, scheme?: string) =>
  utf8Encode(
    createSiweMessage({
      address: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
      chainId: 1,
      domain,
      nonce: 'abcdefgh12345678',
      uri: `https://${domain}/login`,
      version: '1',
      ...(scheme === undefined ? {} : { scheme }),
    }),
  );

test('names the domain of sign-in messages for Ethereum and Solana', () => {
  assert.equal(signInDomain(message('example.com')), 'example.com');
  assert.equal(signInDomain(message('Example.com', 'https')), 'example.com');
  assert.equal(signInDomain(message('localhost:3000')), 'localhost:3000');
  const solana = 'app.example wants you to sign in with your Solana account:\n3Cy3';
  assert.equal(signInDomain(utf8Encode(solana)), 'app.example');
  assert.equal(signInDomain(utf8Encode(solana.replace('\n', '\r\n'))), 'app.example');
  assert.equal(signInDomain(utf8Encode(solana.replace('app', 'good.example@evil'))), 'evil.example');
});

test('takes no other text for a sign-in, and never throws', () => {
  for (const text of [
    '',
    'hello',
    'Please note: example.com wants you to sign in with your Ethereum account:\n',
    'example.com wants you to sign in with your Ethereum account: now\n',
    `${'a'.repeat(600)} wants you to sign in with your Ethereum account:\n`,
  ]) {
    assert.equal(signInDomain(utf8Encode(text)), null, text);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => assert.equal(signInDomain(bytes), null)),
  );
});
