/** Decimals of chains' own coins by the coin type (SLIP-44) at the end of a CAIP-19 id; all EVM chains use 60 here. */
const decimalsByCoinType: Readonly<Record<string, number>> = { 0: 8, 60: 18, 501: 9, 784: 9 };

/** Undefined for an asset that is no chain's own coin. */
export function nativeDecimals(asset: string): number | undefined {
  const coinType = /\/slip44:([0-9]+)$/.exec(asset)?.[1];
  return coinType === undefined ? undefined : decimalsByCoinType[coinType];
}
