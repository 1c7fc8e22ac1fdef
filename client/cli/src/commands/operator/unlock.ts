import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { parsePrintedShare, ShareError } from '@keystead/protocol/operator-share';
import { CommandError } from '../../command-error.ts';
import type { Command } from '../../command.ts';
import { asOperator } from '../../operator-connection.ts';
import { readSecret } from '../../terminal/secret-input.ts';

export const operatorUnlock: Command = {
  words: ['operator', 'unlock'],
  summary: 'gives the password, or one share, to the deployment of KEYSTEAD_HOME that waits for it',
  details: [
    'It is typed without being shown, or comes from --file or standard input, and is never an argument. A share is entered as it is',
    'printed; case, dashes and line numbers do not count, and a typing error is named by its group.',
  ].join('\n'),
  options: {
    file: { type: 'string', value: 'file', help: 'file with the password or one share, mode 0600' },
  },
  run(given, surroundings) {
    return asOperator(surroundings.home, async (connection) => {
      const { state, kind } = await connection.ask({ type: 'status' }, 'status');
      if (state !== 'locked' && state !== 'rotating')
        throw new CommandError(
          state === 'open' ? 'nothing waits to be unlocked' : 'this deployment is not founded yet',
          state === 'open' ? 'keystead doctor says what runs' : 'keystead operator found',
        );
      const prompt = kind === 'shares' ? 'share, all ten groups on one line' : 'password';
      const secret = await readSecret(given.text('file'), prompt, surroundings);
      try {
        const { missing } = await connection.ask(
          kind === 'shares'
            ? { type: 'share', share: shareOf(secret) }
            : { type: 'password', password: secret.expose() },
          'done',
        );
        return {
          json: { kind, missing },
          text:
            missing === 0
              ? state === 'locked'
                ? 'unlocked'
                : 'agreed to what replaces it'
              : `taken; ${missing} more to go`,
        };
      } finally {
        secret.wipe();
      }
    });
  },
};

function shareOf(printed: SecretBytes): Uint8Array {
  try {
    return parsePrintedShare(printed.expose());
  } catch (error) {
    if (!(error instanceof ShareError)) throw error;
    throw new CommandError(`this is no share: ${error.message}`, 'compare it with the page, group by group');
  }
}
