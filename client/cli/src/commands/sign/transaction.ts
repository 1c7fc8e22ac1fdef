import { base64urlEncode } from '@keystead/crypto/base64url';
import { chosenAccount } from '../../chain/account.ts';
import type { Command } from '../../command.ts';
import { openSession } from '../../session.ts';
import { signingMembers, signingOptions } from '../../signing-options.ts';
import { decodeGiven, encodings, readGiven } from '../../terminal/given-bytes.ts';

export const signTransaction: Command = {
  words: ['sign', 'transaction'],
  summary: 'signs a transaction and prints it; nothing is sent',
  details: [
    'The file holds the unsigned bytes in hexadecimal with 0x, or in base64; - is standard input. The chain follows',
    'from --path, or is named by --chain. `keystead send` signs and sends.',
  ].join('\n'),
  positionals: [{ name: 'file' }],
  options: {
    encoding: { type: 'string', value: 'encoding', help: `${encodings.join(', ')} (default: auto)` },
    'maximum-fee': {
      type: 'string',
      value: 'wei',
      help: 'of an EVM transaction: what it may cost; approvals then leave nonce and prices open',
    },
    ...signingOptions,
  },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const account = chosenAccount(given, undefined);
    const content = await readGiven(given.positionals[0], surroundings);
    const maximumFee = given.text('maximum-fee');
    const signed = await session.client.call('signTransaction', {
      ...signingMembers(given, session, account),
      chain: account.chain,
      transaction: base64urlEncode(decodeGiven(content, given.oneOf('encoding', encodings) ?? 'auto')),
      ...(maximumFee === undefined ? {} : { maximumFee }),
    });
    return { json: signed, text: signed.transaction };
  },
};
