import { derivePublic } from '@keystead/crypto/bip32';
import { equalBytes } from '@keystead/crypto/bytes';
import { HARDENED, parsePath } from '@keystead/crypto/derivation-path';
import { bytesName, Recent } from '@keystead/crypto/recent';
import type { AccountKey, SigningAccount } from '../chain.ts';
import type { StepBudget } from '../step-budget.ts';
import { ownScript } from './address.ts';
import { readUint32 } from './byte-reader.ts';
import { OUTPUT, readTapDerivation } from './psbt.ts';
import type { PsbtMap } from './psbt-map.ts';

/** Addresses beyond the highest one in use that a wallet looks at (BIP-44). */
export const ADDRESS_GAP = 20;
/** Two additions on the curve and a hash. */
const DERIVATION_STEPS = 3_000;

/**
 * Whose an output is. `own`: its script is that of a key of our account, derived here. `out-of-reach`: it would be ours,
 * but at an index so far out that no wallet would find it again. `foreign`: everything else, whatever the PSBT says.
 */
export type OutputOwner = 'own' | 'out-of-reach' | 'foreign';

/**
 * Derives the script at the path that an output claims and compares. The claim only says where to look: neither its
 * fingerprint nor its key is believed. Only the receiving and the change branch of the account count. `at` is the
 * place of an own address, `branch/index`.
 */
export function ownerOfOutput(
  script: Uint8Array,
  map: PsbtMap,
  account: SigningAccount,
  accountKey: AccountKey,
  steps: StepBudget,
): { readonly owner: 'own'; readonly at: string } | { readonly owner: Exclude<OutputOwner, 'own'> } {
  const path = claimedPath(map, account);
  const prefix = parsePath(accountKey.path);
  if (path === null || path.length !== prefix.length + 2) return { owner: 'foreign' };
  if (!prefix.every((index, level) => index >= HARDENED && path[level] === index))
    return { owner: 'foreign' };
  const [branch, index] = path.slice(prefix.length) as [number, number];
  if ((branch !== 0 && branch !== 1) || index >= HARDENED) return { owner: 'foreign' };
  steps.spend(DERIVATION_STEPS);
  if (!equalBytes(script, derivedScript(accountKey, branch, index, account))) return { owner: 'foreign' };
  if (index > accountKey.highestUsed[branch] + ADDRESS_GAP) return { owner: 'out-of-reach' };
  return { owner: 'own', at: `${branch}/${index}` };
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

/** Path of the first derivation record of the account's kind, or null. */
function claimedPath(map: PsbtMap, account: SigningAccount): readonly number[] | null {
  const taproot = account.addressFormat === 'BitcoinTaproot';
  const type = taproot ? OUTPUT.TAP_BIP32_DERIVATION : OUTPUT.BIP32_DERIVATION;
  const record = map.find((each) => each.type === type);
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
