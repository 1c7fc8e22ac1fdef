import type { MnemonicLength } from '@keystead/sdk/native-calls';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { UsageError } from '../../command-error.ts';
import { openSession } from '../../session.ts';
import { walletText } from '../../texts.ts';

export const walletCreate: Command = {
  words: ['wallet', 'create'],
  summary: 'makes a wallet: a mnemonic, or a single key',
  options: {
    name: { type: 'string', value: 'name', help: 'name of the wallet' },
    tag: { type: 'string', value: 'tag', multiple: true, help: 'tag of the wallet' },
    words: { type: 'string', value: 'n', help: 'words of the mnemonic: 12, 15, 18, 21 or 24 (default: 24)' },
    path: {
      type: 'string',
      value: 'path',
      multiple: true,
      help: 'account to begin with (default: the first of each chain)',
    },
    curve: {
      type: 'string',
      value: 'curve',
      help: 'Ed25519 or Secp256k1: a single key in place of a mnemonic',
    },
    'address-format': { type: 'string', value: 'format', help: 'address format of a single key' },
    'reuse-tag': {
      type: 'boolean',
      help: 'answer with the wallet that has the tag already, if there is one',
    },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const words = given.oneOf('words', ['12', '15', '18', '21', '24']);
    const paths = given.list('path');
    const tags = given.list('tag');
    const curve = given.oneOf('curve', ['Ed25519', 'Secp256k1']);
    const addressFormat = given.oneOf('address-format', [
      'Solana',
      'Ethereum',
      'BitcoinSegwit',
      'BitcoinTaproot',
      'Sui',
    ]);
    const shape = {
      organizationId: session.organizationId,
      walletName: given.required('name'),
      ...(words === undefined ? {} : { mnemonicLength: Number(words) as MnemonicLength }),
      ...(paths.length === 0 ? {} : { accounts: paths }),
      ...(curve === undefined ? {} : { curve }),
      ...(addressFormat === undefined ? {} : { addressFormat }),
    };
    if (given.flag('reuse-tag') && tags.length !== 1)
      throw new UsageError('--reuse-tag needs exactly one --tag');
    const wallet = given.flag('reuse-tag')
      ? await session.client.call('getOrCreateWalletWithTag', { ...shape, tag: tags[0]! })
      : await session.client.call('createWallet', { ...shape, ...(tags.length === 0 ? {} : { tags }) });
    return { json: wallet, text: walletText(wallet) };
  },
};
