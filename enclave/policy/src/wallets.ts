import type { WalletCell } from './cells.ts';
import type { Draft } from './draft.ts';

/** The list of an organization's wallets: `wallet-number/0` up to the count that stands in the organization cell. */

/** Adds a wallet at the end, and its tags where they are free: the first wallet with a tag keeps it. */
export function addToWallets(draft: Draft, walletId: string, wallet: Omit<WalletCell, 'number'>): WalletCell {
  const organization = draft.cell('organization')!;
  const added: WalletCell = { ...wallet, number: organization.wallets };
  draft.write('organization', '', { ...organization, wallets: organization.wallets + 1 });
  draft.write('wallet', walletId, added);
  draft.write('wallet-number', String(added.number), walletId);
  for (const tag of wallet.tags)
    if (draft.cell('wallet-tag', tag) === undefined) draft.write('wallet-tag', tag, walletId);
  return added;
}

/** Removes a wallet; the last of the list takes its place. */
export function removeFromWallets(draft: Draft, walletId: string, wallet: WalletCell): void {
  const organization = draft.cell('organization')!;
  const last = organization.wallets - 1;
  if (wallet.number !== last) {
    const moved = draft.cell('wallet-number', String(last))!;
    draft.write('wallet', moved, { ...draft.cell('wallet', moved)!, number: wallet.number });
    draft.write('wallet-number', String(wallet.number), moved);
  }
  draft.write('wallet-number', String(last), undefined);
  draft.write('organization', '', { ...organization, wallets: last });
  draft.write('wallet', walletId, undefined);
  for (const tag of wallet.tags)
    if (draft.cell('wallet-tag', tag) === walletId) draft.write('wallet-tag', tag, undefined);
}
