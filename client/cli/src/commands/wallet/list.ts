import type { Wallet } from '@keystead/sdk/native-calls';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

const pageSize = 100;

export const walletList: Command = {
  words: ['wallet', 'list'],
  summary: 'the wallets that the organization owns',
  options: organizationOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const wallets: Wallet[] = [];
    for (;;) {
      const page = await session.client.call('getOrganizationWallets', {
        organizationId: session.organizationId,
        limit: pageSize,
        offset: wallets.length,
      });
      wallets.push(...page.wallets);
      if (page.wallets.length === 0 || wallets.length >= page.totalCount) break;
    }
    return {
      json: { wallets },
      text: wallets
        .map(({ walletId, walletName, tags }) => [walletId, walletName, ...tags].join('  '))
        .join('\n'),
    };
  },
};

/** One wallet of the organization by its id. */
export async function findWallet(
  session: {
    readonly client: Awaited<ReturnType<typeof openSession>>['client'];
    readonly organizationId: string;
  },
  walletId: string,
): Promise<Wallet | undefined> {
  for (let offset = 0; ; offset += pageSize) {
    const page = await session.client.call('getOrganizationWallets', {
      organizationId: session.organizationId,
      limit: pageSize,
      offset,
    });
    const found = page.wallets.find((wallet) => wallet.walletId === walletId);
    if (found !== undefined || offset + pageSize >= page.totalCount) return found;
  }
}
