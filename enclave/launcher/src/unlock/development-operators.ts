import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { FromLauncher, ToLauncher } from '@keystead/protocol/operator';
import { OperatorRefusal } from './operator-refusal.ts';
import { OperatorSocket } from './operator-socket.ts';
import type { ReplaceableKeys } from './unlock.ts';

/**
 * The operator socket of a home that a development file unlocks: nobody has to agree, since whoever reads the home has
 * the unlock secret.
 */
export function listenForDevelopment(options: {
  readonly socket: string;
  readonly secret: () => Promise<SecretBytes>;
  readonly keys: ReplaceableKeys | undefined;
}): Promise<OperatorSocket> {
  const { secret, keys } = options;
  let turn: Promise<unknown> = Promise.resolve();
  const handle = async (request: ToLauncher): Promise<FromLauncher> => {
    if (request.type === 'status')
      return {
        type: 'status',
        state: 'open',
        kind: 'development-file',
        set: undefined,
        threshold: 0,
        shares: 0,
        given: [],
        walletKey: await keys?.walletKeys.status(),
        roleKeys: keys?.roleGeneration() ?? 0,
      };
    if (keys === undefined || (request.type !== 'rotateWalletKey' && request.type !== 'rotateRoleKeys'))
      throw new OperatorRefusal(
        'other-kind',
        'a development file unlocks this: it has no operators, shares or password',
        'found it anew with KEYSTEAD_UNLOCK=shares in an empty home',
      );
    const unlockSecret = await secret();
    try {
      if (request.type === 'rotateRoleKeys') {
        const generation = await keys.replaceRoleKeys(unlockSecret);
        await keys.restart();
        return { type: 'roleKeys', generation };
      }
      return { type: 'walletKey', ...(await keys.walletKeys.renew(unlockSecret, request.retire)) };
    } finally {
      unlockSecret.wipe();
    }
  };
  const answer = async (request: ToLauncher): Promise<FromLauncher> => {
    const mine = turn.then(() => handle(request));
    turn = mine.catch(() => {});
    try {
      return await mine;
    } catch (error) {
      if (!(error instanceof OperatorRefusal)) throw error;
      return { type: 'refused', code: error.code, detail: error.message, hint: error.hint };
    }
  };
  return OperatorSocket.listen(options.socket, answer, () => {});
}
