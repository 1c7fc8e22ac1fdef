import type { ChangeContext } from '../context.ts';
import type { Draft } from '../draft.ts';

export function change({ request, draft }: ChangeContext<'freeze'>): unknown {
  return frozenState(draft, request.params, true);
}

/** The leaves are authority and decided already; the wallet's cell shows the state to readers of lists. */
export function frozenState(
  draft: Draft,
  params: {
    readonly organizationId: string;
    readonly username: string | null;
    readonly walletId: string | null;
  },
  frozen: boolean,
): unknown {
  const { organizationId, username, walletId } = params;
  const cell = walletId === null ? undefined : draft.cell('wallet', walletId);
  if (walletId !== null && cell !== undefined) {
    const { frozen: _, ...rest } = cell;
    draft.write('wallet', walletId, frozen ? { ...rest, frozen: true } : rest);
  }
  return {
    organizationId,
    ...(username === null ? {} : { username }),
    ...(walletId === null ? {} : { walletId }),
    frozen,
  };
}
