import type { AccountKey, SigningAccount } from '../chain.ts';
import type { StepBudget } from '../step-budget.ts';
import { claimedPlace, DERIVATION_STEPS, isScriptAt } from './account-place.ts';
import type { PsbtMap } from './psbt-map.ts';

/** Addresses beyond the highest one in use that a wallet looks at (BIP-44). */
export const ADDRESS_GAP = 20;

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
  const place = claimedPlace(map, 'output', account, accountKey);
  if (place === null) return { owner: 'foreign' };
  steps.spend(DERIVATION_STEPS);
  if (!isScriptAt(script, place, account, accountKey)) return { owner: 'foreign' };
  const { branch, index } = place;
  if (index > accountKey.highestUsed[branch] + ADDRESS_GAP) return { owner: 'out-of-reach' };
  return { owner: 'own', at: `${branch}/${index}` };
}
