/** Address texts of the programs whose instructions are decoded, and of the accounts that they treat specially. */
import { oneName } from '../coin.ts';
export const SYSTEM_PROGRAM = '11111111111111111111111111111111';
export const COMPUTE_BUDGET_PROGRAM = 'ComputeBudget111111111111111111111111111111';
export const STAKE_PROGRAM = 'Stake11111111111111111111111111111111111111';
export const TOKEN_PROGRAM = 'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA';
export const TOKEN_2022_PROGRAM = 'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb';
export const ASSOCIATED_TOKEN_PROGRAM = 'ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL';
export const MEMO_PROGRAMS: readonly string[] = [
  'Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo',
  'MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr',
];
/** Programs that only check signatures carried in their data; each such signature is paid like one of the transaction. */
export const PRECOMPILES: ReadonlyMap<string, string> = new Map([
  ['Ed25519SigVerify111111111111111111111111111', 'precompile.ed25519'],
  ['KeccakSecp256k11111111111111111111111111111', 'precompile.secp256k1'],
  ['Secp256r1SigVerify1111111111111111111111111', 'precompile.secp256r1'],
]);

/** Mint of wrapped SOL; an account of it holds lamports. */
export const WRAPPED_SOL_MINT = 'So11111111111111111111111111111111111111112';

/** CAIP-19 without the network, which the bytes of a transaction do not name. */
export const SOL = 'solana/slip44:501';
export const UNKNOWN_TOKEN = 'solana/token:unknown';

/** Wrapped SOL is SOL: an account of it holds lamports. */
export function tokenAsset(mint: string): string {
  return oneName(`solana/token:${mint}`);
}
