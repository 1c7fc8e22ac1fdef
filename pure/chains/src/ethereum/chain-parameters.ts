/**
 * Facts of single EVM networks that no transaction carries. They change with upgrades of the networks: this file is the
 * one place that states them.
 */

/**
 * Networks on which gas pays for everything. Others, and any that nobody has looked at, may charge for putting the
 * transaction's bytes on another chain, as those of the OP stack and Scroll do: no field of the transaction bounds that charge,
 * and the account pays it whatever is signed.
 */
const GAS_PAYS_ALL: ReadonlySet<bigint> = new Set([
  1n, // Ethereum
  17000n, // Holesky
  560048n, // Hoodi
  11155111n, // Sepolia
  1337n, // local nodes
  31337n, // local nodes
  56n, // BNB Smart Chain
  97n, // BNB Smart Chain Testnet
  100n, // Gnosis
  137n, // Polygon PoS
  80002n, // Polygon Amoy
  250n, // Fantom
  324n, // zkSync Era: bytes are counted as gas
  8217n, // Kaia
  42161n, // Arbitrum One: bytes are counted as gas
  42170n, // Arbitrum Nova
  421614n, // Arbitrum Sepolia
  43113n, // Avalanche Fuji
  43114n, // Avalanche C-Chain
  59144n, // Linea
]);

/**
 * Wei per byte that are added to the fee on all other networks: the charge at a base fee and a blob fee of about 200 gwei
 * each, far above what is usual. A margin, not a bound.
 */
const DATA_FEE_PER_BYTE = 200_000_000_000n;
/** What a signature adds to the bytes. */
const SIGNATURE_BYTES = 68n;

/** Wei to count for the data fee of a transaction of so many bytes, unsigned; zero where gas pays for everything. */
export function dataFeeMargin(chainId: bigint, length: number): bigint {
  return GAS_PAYS_ALL.has(chainId) ? 0n : (BigInt(length) + SIGNATURE_BYTES) * DATA_FEE_PER_BYTE;
}

/** How an entry point of ERC-4337 takes operations, and what the key of an account signs for it. */
export interface EntryPoint {
  readonly form: 'unpacked' | 'packed';
  /** Its operations are signed as typed data; those of the others as a hash that shows nothing. */
  readonly signsTypedData: boolean;
}

/** By address, the same on all networks, from 0.6 to 0.9. */
export const ENTRY_POINTS: ReadonlyMap<string, EntryPoint> = new Map([
  ['0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789', { form: 'unpacked', signsTypedData: false }],
  ['0x0000000071727De22E5E9d8BAf0edAc6f37da032', { form: 'packed', signsTypedData: false }],
  ['0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108', { form: 'packed', signsTypedData: true }],
  ['0x433709009B8330FDa32311DF1C2AFA402eD8D009', { form: 'packed', signsTypedData: true }],
]);

/** Address of Multicall3 where its one deployment transaction, signed beforehand, made it, or the network brought it along. */
const MULTICALL3 = '0xcA11bde05977b3631167028862bE2a173976CA11';

/** Networks on which the code at that address is Multicall3 (the list of its authors, github.com/mds1/multicall3). */
const WITH_MULTICALL3: ReadonlySet<string> = new Set(
  [
    1, 10, 56, 100, 130, 137, 480, 5000, 8453, 17000, 34443, 42161, 42220, 43114, 57073, 59144, 80002, 81457,
    84532, 421614, 534352, 7777777, 11155111, 11155420,
  ].map((chainId) => `eip155:${chainId}`),
);

/** Whether a contract is known to be Multicall3, code that nobody can change and that keeps nothing of what it is sent. */
export function isMulticall3(networkId: string, contract: string): boolean {
  return contract === MULTICALL3 && WITH_MULTICALL3.has(networkId);
}
