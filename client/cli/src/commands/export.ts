import { utf8Encode } from '@keystead/crypto/bytes';
import { mnemonicFromEntropy } from '@keystead/crypto/bip39';
import { hexEncode } from '@keystead/crypto/hex';
import { exportWallet, type WalletSecret } from '@keystead/sdk/wallet-transport';
import type { Command } from '../command.ts';
import { walletOptions } from '../command-arguments.ts';
import { CommandError } from '../command-error.ts';
import { openSession } from '../session.ts';
import { confirm } from '../terminal/confirm.ts';
import { writePrivateFile } from '../terminal/private-file.ts';

export const exportSecret: Command = {
  words: ['export'],
  summary: 'the mnemonic or private key of a wallet, into a file or onto the terminal',
  details: [
    'The signer encrypts the secret for a key that exists during this command only. With --out it is written to a new',
    'file with mode 0600; otherwise it is shown on the terminal after a confirmation, and nowhere but on a terminal.',
    'A mnemonic is written as its words, a private key as hexadecimal.',
  ].join('\n'),
  options: {
    out: { type: 'string', value: 'file', help: 'new file for the secret' },
    ...walletOptions,
    'policy-name': { type: 'string', value: 'name', help: 'name of the grant to act under' },
  },
  async run(given, surroundings) {
    const out = given.text('out');
    if (out === undefined && given.flag('json'))
      throw new CommandError('a secret is not printed as JSON', 'name a new file with --out');
    if (
      out === undefined &&
      !(await confirm('The secret of the wallet is shown on this terminal.', surroundings))
    )
      throw new CommandError(
        'not confirmed, so nothing was exported',
        'name a new file with --out, or confirm at a terminal',
      );
    const session = await openSession(given, surroundings);
    const walletId = session.walletId(given);
    const policyName = given.text('policy-name');
    const secret = await exportWallet(session.client, {
      organizationId: session.organizationId,
      walletId,
      ...(policyName === undefined ? {} : { policyName }),
    });
    const what =
      secret.kind === 'mnemonic'
        ? { kind: secret.kind }
        : { kind: secret.kind, curve: secret.curve, addressFormat: secret.addressFormat };
    const text = written(secret);
    if (out === undefined) return { json: {}, text };
    const bytes = utf8Encode(`${text}\n`);
    try {
      writePrivateFile(out, bytes);
    } finally {
      bytes.fill(0);
    }
    return { json: { walletId, ...what, file: out }, text: `${secret.kind} of wallet ${walletId}: ${out}` };
  },
};

/** Text cannot be overwritten in memory: it is made last, in a process that ends next. */
function written(secret: WalletSecret): string {
  const bytes = secret.kind === 'mnemonic' ? secret.entropy : secret.privateKey;
  try {
    return secret.kind === 'mnemonic' ? mnemonicFromEntropy(bytes.expose()) : hexEncode(bytes.expose());
  } finally {
    bytes.wipe();
  }
}
