import type { ReadContext } from '../context.ts';
import { walletResult } from '../results.ts';

export function read({ state, request }: ReadContext<'getOrganizationWallets'>): unknown {
  const { limit, offset } = request.params;
  const totalCount = state.cell('organization')?.wallets ?? 0;
  const wallets: unknown[] = [];
  for (let number = offset; number < Math.min(totalCount, offset + limit); number += 1) {
    const walletId = state.cell('wallet-number', String(number));
    const wallet = walletId === undefined ? undefined : state.cell('wallet', walletId);
    if (walletId !== undefined && wallet !== undefined) wallets.push(walletResult(walletId, wallet));
  }
  return { wallets, totalCount, limit, offset };
}
