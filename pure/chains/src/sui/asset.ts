/** CAIP-19 without the network, which the bytes of a transaction do not name. */
export const SUI = 'sui/slip44:784';

/** One object as an asset: a coin, a collectible or a capability; which one, only the chain knows. */
export function objectAsset(id: string): string {
  return `sui/object:${id}`;
}
