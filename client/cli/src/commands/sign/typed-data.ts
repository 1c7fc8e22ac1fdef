import { utf8Decode } from '@keystead/crypto/bytes';
import type { TypedData } from '@keystead/sdk/native-calls';
import { chosenAccount } from '../../chain/account.ts';
import type { Command } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { openSession } from '../../session.ts';
import { signingMembers, signingOptions } from '../../signing-options.ts';
import { readGiven } from '../../terminal/given-bytes.ts';

export const signTypedData: Command = {
  words: ['sign', 'typed-data'],
  summary: 'signs typed data (EIP-712) with an Ethereum account',
  details: 'The file holds the JSON object with types, primaryType, domain and message; - is standard input.',
  positionals: [{ name: 'file' }],
  options: signingOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const text = utf8Decode(await readGiven(given.positionals[0], surroundings));
    let typedData: TypedData;
    try {
      typedData = JSON.parse(text) as TypedData;
    } catch {
      throw new CommandError('the typed data is not JSON', 'write it as wallets take it: one JSON object');
    }
    const signed = await session.client.call('ethereumSignTypedData', {
      ...signingMembers(given, session, chosenAccount(given, 'ethereum')),
      typedData,
    });
    return { json: signed, text: signed.signature };
  },
};
