import { utf8Decode } from '@keystead/crypto/bytes';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { chosenAccount } from '../../chain/account.ts';
import type { Command } from '../../command.ts';
import { UsageError } from '../../command-error.ts';
import { openSession } from '../../session.ts';
import { signingMembers, signingOptions } from '../../signing-options.ts';
import { readGiven } from '../../terminal/given-bytes.ts';

export const signMessage: Command = {
  words: ['sign', 'message'],
  summary: 'signs a text message',
  details: [
    'Solana and Sui: Ed25519 over the text (Sui: with its personal-message intent). Ethereum: personal message',
    '(EIP-191). Bitcoin: ECDSA over SHA-256 of the text. The signature is base64url; the chain is Solana by default.',
    'Without the argument and without --file the message is read from standard input.',
  ].join('\n'),
  positionals: [{ name: 'message', optional: true }],
  options: {
    file: { type: 'string', value: 'file', help: 'read the message from a file' },
    ...signingOptions,
  },
  async run(given, surroundings) {
    const [argument] = given.positionals;
    if (argument !== undefined && given.text('file') !== undefined)
      throw new UsageError('the message stands in an argument or in --file, not in both');
    const session = await openSession(given, surroundings);
    const message = argument ?? utf8Decode(await readGiven(given.text('file'), surroundings));
    const account = chosenAccount(given, 'solana');
    const members = signingMembers(given, session, account);
    const signed =
      account.chain === 'ethereum'
        ? await session.client.call('ethereumSignMessage', {
            ...members,
            message: base64urlEncode(utf8Encode(message)),
          })
        : await session.client.call('signUtf8Message', {
            ...members,
            message,
            algorithm: account.chain === 'bitcoin' ? 'Secp256k1' : 'Ed25519',
          });
    return { json: signed, text: signed.signature };
  },
};
