import { assertMayNameGuardians } from './ceilings.ts';
import { invalid, type AuthorityChange, type AuthorityChangeInput } from './change.ts';
import { authenticatorOf, guardiansLeaf, guardiansWrite, userLeaf } from './leaves.ts';
import { requireRoot } from './who-may.ts';

/** Who may bring an organization back that lost its root keys (spec/guardians.md §1). */

/** What a guardian's key has to be able to call, for a guardian who cannot act is none. */
const guardianMethods = ['approve', 'getRecovery', 'startRecovery', 'completeRecovery'];

export function updateGuardians(
  input: AuthorityChangeInput,
  params: {
    readonly guardians: readonly string[];
    readonly threshold: number;
    readonly delayMs: number;
  },
): AuthorityChange {
  requireRoot(input);
  assertMayNameGuardians(input);
  const { guardians, threshold, delayMs } = params;
  for (const [index, username] of guardians.entries())
    assertCanGuard(input, username, `params.guardians[${index}]`);
  const known = guardiansLeaf(input);
  const updated = {
    guardians: [...guardians],
    threshold: guardians.length === 0 ? 0 : threshold,
    delay: delayMs,
    recoveries: known?.recoveries ?? 0,
    // A recovery that runs is judged again at its end, by the guardians of then.
    open: known?.open,
  };
  return { writes: [guardiansWrite(updated)], counterpart: null, narrowing: false };
}

function assertCanGuard(input: AuthorityChangeInput, username: string, field: string): void {
  const user = userLeaf(input, username, field);
  if (user.root) throw invalid(field, 'is a root user: guardians act when no root user can');
  if (user.expiresAt !== undefined) throw invalid(field, 'is a user that expires');
  const canAct = user.authenticators.some((hash) => {
    const { expiresAt, ceiling } = authenticatorOf(input, hash);
    return (
      expiresAt === undefined &&
      ceiling.approvals === 0 &&
      ceiling.wallets === undefined &&
      (ceiling.actions === undefined || guardianMethods.every((method) => ceiling.actions!.includes(method)))
    );
  });
  if (!canAct)
    throw invalid(
      field,
      `has no key that lasts, needs no approvals and may call ${guardianMethods.join(', ')}`,
    );
}
