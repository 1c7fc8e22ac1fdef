import { base58Decode } from '@keystead/crypto/base58';
import { entropyFromMnemonic } from '@keystead/crypto/bip39';
import { utf8Decode } from '@keystead/crypto/bytes';
import { hexDecode } from '@keystead/crypto/hex';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { importWallet, type WalletSecret } from '@keystead/sdk/wallet-transport';
import type { Command } from '../command.ts';
import { type CommandArguments, organizationOptions } from '../command-arguments.ts';
import { CommandError } from '../command-error.ts';
import { openSession } from '../session.ts';
import { readSecret } from '../terminal/secret-input.ts';
import { walletText } from '../texts.ts';

export const importSecret: Command = {
  words: ['import'],
  summary: 'makes a wallet from a mnemonic or a private key',
  details: [
    'The secret is read from --file (mode 0600), from standard input, or typed without being shown. It is encrypted for',
    'a key that the signer states. A private key is hexadecimal of 32 bytes, or base58 as Solana wallets write it (64',
    'bytes: key and public key); --curve says that it is one.',
  ].join('\n'),
  options: {
    name: { type: 'string', value: 'name', help: 'name of the wallet' },
    tag: { type: 'string', value: 'tag', multiple: true, help: 'tag of the wallet' },
    file: { type: 'string', value: 'file', help: 'file with the secret, mode 0600' },
    path: {
      type: 'string',
      value: 'path',
      multiple: true,
      help: 'account to begin with (default: the first of each chain)',
    },
    curve: { type: 'string', value: 'curve', help: 'Ed25519 or Secp256k1: the secret is a private key' },
    'address-format': { type: 'string', value: 'format', help: 'address format of a private key' },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const walletName = given.required('name');
    const session = await openSession(given, surroundings);
    const text = await readSecret(given.text('file'), 'mnemonic or private key', surroundings);
    const secret = secretOf(given, text);
    const paths = given.list('path');
    try {
      const wallet = await importWallet(session.client, {
        organizationId: session.organizationId,
        walletName,
        secret,
        tags: given.list('tag'),
        ...(paths.length === 0 ? {} : { accounts: paths }),
      });
      return { json: wallet, text: walletText(wallet) };
    } finally {
      (secret.kind === 'mnemonic' ? secret.entropy : secret.privateKey).wipe();
    }
  },
};

function secretOf(given: CommandArguments, text: SecretBytes): WalletSecret {
  const curve = given.oneOf('curve', ['Ed25519', 'Secp256k1']);
  try {
    if (curve === undefined)
      return { kind: 'mnemonic', entropy: SecretBytes.take(entropyFromMnemonic(utf8Decode(text.expose()))) };
    const addressFormat =
      given.oneOf('address-format', ['Solana', 'Ethereum', 'BitcoinSegwit', 'BitcoinTaproot', 'Sui']) ??
      (curve === 'Ed25519' ? 'Solana' : 'Ethereum');
    return { kind: 'keypair', curve, addressFormat, privateKey: privateKeyOf(utf8Decode(text.expose())) };
  } catch (error) {
    if (error instanceof CommandError) throw error;
    // The cause is left out: it may quote the secret.
    throw new CommandError(
      curve === undefined
        ? 'the secret is no mnemonic of English words with its checksum'
        : 'the secret is no private key',
      curve === undefined ? 'a private key needs --curve' : 'write 32 bytes in hexadecimal',
    );
  } finally {
    text.wipe();
  }
}

function privateKeyOf(text: string): SecretBytes {
  const digits = text.replace(/^0x/, '').toLowerCase();
  if (/^[0-9a-f]{64}$/.test(digits)) return SecretBytes.take(hexDecode(digits));
  const pair = base58Decode(text);
  if (pair.length !== 64)
    throw new CommandError('the private key has a wrong length', 'write 32 bytes in hexadecimal');
  const key = SecretBytes.take(pair.slice(0, 32));
  pair.fill(0);
  return key;
}
