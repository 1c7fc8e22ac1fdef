import type { WalletCell } from './cells.ts';

const addressSets = new WeakMap<WalletCell, ReadonlySet<string>>();

/** Addresses of a wallet that it remembers: what goes there stays with it. */
export function ownAddressesOf(cell: WalletCell): ReadonlySet<string> {
  const known = addressSets.get(cell);
  if (known !== undefined) return known;
  const addresses = new Set(cell.accounts.map(({ address }) => address));
  addressSets.set(cell, addresses);
  return addresses;
}
