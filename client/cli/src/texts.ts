import type {
  Account,
  ApprovalState,
  Authenticator,
  Organization,
  RecoveryState,
  SingleAccount,
  User,
  Wallet,
} from '@keystead/sdk/native-calls';

/** How results look to people. `--json` prints the results themselves. */

export function accountLine(account: Account | SingleAccount): string {
  const path =
    'derivationPath' in account && account.derivationPath !== undefined
      ? account.derivationPath
      : 'single key';
  return `${account.addressFormat.padEnd(14)}  ${path.padEnd(20)}  ${account.address}`;
}

export function walletText(wallet: Wallet): string {
  const accounts = wallet.accounts ?? (wallet.account === undefined ? [] : [wallet.account]);
  const tags = wallet.tags.length === 0 ? '' : `  (${wallet.tags.join(', ')})`;
  const frozen = wallet.frozen ? '  frozen' : '';
  return [`${wallet.walletId}  ${wallet.walletName}${tags}${frozen}`, ...accounts.map(accountLine)].join(
    '\n',
  );
}

function policyText(policy: User['policy']): string {
  if (policy.type !== 'CEL') return policy.type;
  return 'preset' in policy ? policy.preset : 'CEL';
}

const expiry = (expiresAt: string | undefined): string =>
  expiresAt === undefined ? '' : `  until ${expiresAt}`;

export function authenticatorLine(authenticator: Authenticator): string {
  const { id, authenticatorName, authenticatorKind, algorithm, publicKey, expiresAtMs } = authenticator;
  return `${id}  ${authenticatorName}  ${authenticatorKind} ${algorithm}  ${publicKey}${expiry(expiresAtMs)}`;
}

export function userText(user: User): string {
  const traits = Object.entries(user.traits).map(([key, value]) => `${key}=${value}`);
  return [
    [user.username, policyText(user.policy), ...traits, ...(user.frozen ? ['frozen'] : [])].join('  ') +
      expiry(user.expiresAtMs),
    ...user.authenticators.map((authenticator) => `  ${authenticatorLine(authenticator)}`),
  ].join('\n');
}

export function organizationText(organization: Organization): string {
  return [
    `${organization.organizationId}  ${organization.organizationName}${organization.frozen ? '  frozen' : ''}`,
    ...organization.users.map(userText),
  ].join('\n');
}

export function approvalText(approval: ApprovalState): string {
  const { subject, method, requestedBy, requestedByAuthenticator, approvalsNeeded, createdAtMs } = approval;
  const { verdicts, rejectedBy, releaseAtMs } = approval;
  const waits = [
    ...(approvalsNeeded > 0 ? [`needs ${approvalsNeeded}`] : []),
    ...(releaseAtMs === undefined ? [] : [`waits until ${releaseAtMs}`]),
  ].join(', ');
  const state = rejectedBy === undefined ? waits : `rejected by ${rejectedBy}`;
  return [
    `${subject}  ${method}  by ${requestedBy} (${requestedByAuthenticator})  ${createdAtMs}  ${state}`,
    ...verdicts.map(
      ({ username, verdict, expiresAtMs }) => `  ${username}  ${verdict}  until ${expiresAtMs}`,
    ),
  ].join('\n');
}

export function recoveryText(state: RecoveryState): string {
  const { guardians, threshold, delayMs, open } = state;
  if (guardians.length === 0 && open === undefined) return 'no guardians';
  return [
    `${threshold} of ${guardians.join(', ')}, after ${delayMs / 3_600_000} hours`,
    ...(open === undefined
      ? []
      : [
          `recovery ${open.recovery}: ${open.user.username} becomes root from ${open.completesAtMs} on`,
          `  agreed: ${open.agreed.join(', ')}; cancel with \`keystead recover cancel\``,
        ]),
  ].join('\n');
}
