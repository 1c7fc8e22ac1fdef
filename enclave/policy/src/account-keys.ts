/** Keys of a Bitcoin wallet's accounts, from which its other addresses are derived again (spec/effects.md §3). */
import type { AccountKey } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import { hexDecode } from '@keystead/crypto/hex';
import type { AccountKeyCell, DerivedAccount, WalletCell } from './cells.ts';

/** Accounts of one wallet whose keys are remembered. */
const maximumAccountKeys = 16;

/** As decoders take it: the highest index of each branch is that of an address that the wallet has told or taken change at. */
export function accountKeyOf(known: AccountKeyCell, accounts: readonly DerivedAccount[]): AccountKey {
  const [receive, change] = known.highestUsed;
  const highest: [number, number] = [receive, change];
  const addresses = new Set<string>();
  for (const { derivationPath, address } of accounts) {
    const found = /^\/([01])\/([0-9]{1,10})$/.exec(
      derivationPath.startsWith(known.path) ? derivationPath.slice(known.path.length) : '',
    );
    if (found === null) continue;
    const branch = Number(found[1]) as 0 | 1;
    highest[branch] = Math.max(highest[branch], Number(found[2]));
    addresses.add(address);
  }
  return {
    path: known.path,
    publicKey: hexDecode(known.publicKey),
    chainCode: hexDecode(known.chainCode),
    highestUsed: highest,
    addresses,
  };
}

/** The wallet with the key of an account, and with the change that a signed transaction pays to it in use. */
export function withAccountKey(cell: WalletCell, known: AccountKeyCell, effects: Effects): WalletCell {
  const [receive, change] = known.highestUsed;
  const highest: [number, number] = [receive, change];
  for (const place of changeOf(effects)) {
    const [branch, index] = place.split('/').map(Number);
    if (branch === 0 || branch === 1) highest[branch] = Math.max(highest[branch], index!);
  }
  const keys = cell.accountKeys ?? [];
  const isKnown = keys.some(({ path }) => path === known.path);
  const unchanged = highest[0] === receive && highest[1] === change;
  if (isKnown ? unchanged : keys.length >= maximumAccountKeys) return cell;
  const others = keys.filter(({ path }) => path !== known.path);
  return { ...cell, accountKeys: [...others, { ...known, highestUsed: highest }] };
}

/** Places `branch/index` of the account at which a transaction leaves change. */
function changeOf({ calls }: Effects): readonly string[] {
  const given = calls.find(({ name }) => name === 'bitcoin.transaction')?.arguments.change ?? '';
  return given === '' ? [] : given.split(',');
}
