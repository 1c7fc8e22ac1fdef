import type { ReadContext } from '../context.ts';
import { walletResult } from '../results.ts';
import { withAllNodes } from '../rows.ts';

export function read({ state, request }: ReadContext<'getOrganizationWallets'>): unknown {
  const { limit, offset } = request.params;
  const totalCount = state.cell('organization')?.wallets ?? 0;
  const walletIds: string[] = [];
  const numbers = Array.from(
    { length: Math.max(0, Math.min(totalCount - offset, limit)) },
    (_, i) => offset + i,
  );
  withAllNodes(
    numbers.map((number) => () => {
      const walletId = state.cell('wallet-number', String(number));
      if (walletId !== undefined) walletIds.push(walletId);
    }),
  );
  const wallets: unknown[] = [];
  withAllNodes(
    walletIds.map((walletId) => () => {
      const wallet = state.cell('wallet', walletId);
      if (wallet !== undefined) wallets.push(walletResult(walletId, wallet));
    }),
  );
  return { wallets, totalCount, limit, offset };
}
