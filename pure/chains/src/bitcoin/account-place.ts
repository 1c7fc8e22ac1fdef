import { derivePublic } from '@keystead/crypto/bip32';
import { equalBytes } from '@keystead/crypto/bytes';
import { HARDENED, parsePath } from '@keystead/crypto/derivation-path';
import { bytesName, Recent } from '@keystead/crypto/recent';
import type { AccountKey, SigningAccount } from '../chain.ts';
import { ownScript } from './address.ts';
import { readUint32 } from './byte-reader.ts';
import { INPUT, OUTPUT, readTapDerivation } from './psbt.ts';
import type { PsbtMap } from './psbt-map.ts';

/** Two additions on the curve and a hash. */
export const DERIVATION_STEPS = 3_000;

/** An address of an account: the receiving (0) or the change (1) branch, and the index there. */
export interface AccountPlace {
  readonly branch: 0 | 1;
  readonly index: number;
}

/** The place that an input or output of a PSBT claims to have in the account, or null. Only says where to look. */
export function claimedPlace(
  map: PsbtMap,
  of: 'input' | 'output',
  account: SigningAccount,
  accountKey: AccountKey,
): AccountPlace | null {
  const path = claimedPath(map, of, account);
  const prefix = parsePath(accountKey.path);
  if (path === null || path.length !== prefix.length + 2) return null;
  if (!prefix.every((index, level) => index >= HARDENED && path[level] === index)) return null;
  const [branch, index] = path.slice(prefix.length) as [number, number];
  return (branch !== 0 && branch !== 1) || index >= HARDENED ? null : { branch, index };
}

/** Derives the script of a place and compares. Costs `DERIVATION_STEPS`, which the caller spends. */
export function isScriptAt(
  script: Uint8Array,
  { branch, index }: AccountPlace,
  account: SigningAccount,
  accountKey: AccountKey,
): boolean {
  return equalBytes(script, derivedScript(accountKey, branch, index, account));
}

// Change goes to the next few addresses of the same accounts.
const scripts = new Recent<Uint8Array>(1024);

function derivedScript(key: AccountKey, branch: number, index: number, account: SigningAccount): Uint8Array {
  const name = `${bytesName(key.publicKey)}${bytesName(key.chainCode)}${account.addressFormat}/${branch}/${index}`;
  const known = scripts.get(name);
  if (known !== undefined) return known;
  const { publicKey } = derivePublic(key, [branch, index]);
  const script = ownScript(publicKey, account.addressFormat);
  scripts.set(name, script);
  return script;
}

const DERIVATIONS = {
  input: { segwit: INPUT.BIP32_DERIVATION, taproot: INPUT.TAP_BIP32_DERIVATION },
  output: { segwit: OUTPUT.BIP32_DERIVATION, taproot: OUTPUT.TAP_BIP32_DERIVATION },
} as const;

/** Path of the first derivation record of the account's kind, or null. */
function claimedPath(
  map: PsbtMap,
  of: 'input' | 'output',
  account: SigningAccount,
): readonly number[] | null {
  const taproot = account.addressFormat === 'BitcoinTaproot';
  const record = map.find((each) => each.type === DERIVATIONS[of][taproot ? 'taproot' : 'segwit']);
  if (record === undefined) return null;
  let { value } = record;
  if (taproot) {
    const leaves = readTapDerivation(value);
    if (leaves.length > 0) return null;
    value = value.subarray(1);
  }
  const path: number[] = [];
  for (let at = 4; at + 4 <= value.length; at += 4) path.push(readUint32(value.subarray(at, at + 4)));
  return path;
}
