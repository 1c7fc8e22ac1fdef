import { base64urlEncode } from '@keystead/crypto/base64url';
import { chosenAccount } from '../../chain/account.ts';
import type { Command } from '../../command.ts';
import { openSession } from '../../session.ts';
import { signingMembers, signingOptions } from '../../signing-options.ts';
import { decodeGiven, encodings, readGiven } from '../../terminal/given-bytes.ts';

const algorithms = ['Ed25519', 'Secp256k1', 'Secp256k1Keccak256', 'Secp256k1Schnorr'] as const;

export const signRaw: Command = {
  words: ['sign', 'raw'],
  summary: 'signs bytes of unknown meaning; needs the permission signRawPayload',
  details: 'The file holds the bytes in hexadecimal with 0x, or in base64; - is standard input.',
  positionals: [{ name: 'file' }],
  options: {
    algorithm: {
      type: 'string',
      value: 'algorithm',
      help: `${algorithms.join(', ')} (default: that of the curve)`,
    },
    encoding: { type: 'string', value: 'encoding', help: `${encodings.join(', ')} (default: auto)` },
    ...signingOptions,
  },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const account = chosenAccount(given, 'solana');
    const content = await readGiven(given.positionals[0], surroundings);
    const signed = await session.client.call('signRawPayload', {
      ...signingMembers(given, session, account),
      payload: base64urlEncode(decodeGiven(content, given.oneOf('encoding', encodings) ?? 'auto')),
      algorithm: given.oneOf('algorithm', algorithms) ?? algorithmOf[account.chain],
    });
    return { json: signed, text: signed.signature };
  },
};

const algorithmOf = {
  solana: 'Ed25519',
  sui: 'Ed25519',
  ethereum: 'Secp256k1Keccak256',
  bitcoin: 'Secp256k1',
} as const;
