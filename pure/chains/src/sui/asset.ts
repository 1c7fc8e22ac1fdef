/** CAIP-19 without the network, which the bytes of a transaction do not name. */
export const SUI = 'sui/slip44:784';

/** One object as an asset: a coin, a collectible or a capability; which one, only the chain knows. */
export function objectAsset(id: string): string {
  return `sui/object:${id}`;
}

/** Units of a coin by its type in Move's notation, addresses in full. */
export function coinAsset(type: string): string {
  return type === SUI_TYPE ? SUI : `sui/coin:${type}`;
}

export const SUI_TYPE = `0x${'2'.padStart(64, '0')}::sui::SUI`;
