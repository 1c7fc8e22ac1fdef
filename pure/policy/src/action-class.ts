import type { MethodName } from '@keystead/protocol/method-table';

/** Methods that policies treat alike. */
export const actionClasses = [
  'found-organization',
  'read',
  'dry-run',
  'change-users',
  'change-authenticators',
  'change-grants',
  'change-policies',
  'state-prices',
  'state-outcomes',
  'state-facts',
  'approve',
  'freeze',
  'unfreeze',
  'make-wallet',
  'import-wallet',
  'export-wallet',
  'use-accounts',
  'sign-message',
  'sign-ethereum-message',
  'sign-typed-data',
  'sign-transaction',
  'sign-raw-payload',
  'use-backup',
  'delete-backup',
  'unsupported',
] as const;
export type ActionClass = (typeof actionClasses)[number];

/** Classes whose requests sign what has effects on a chain. */
export const actionsWithEffects: ReadonlySet<ActionClass> = new Set(['sign-typed-data', 'sign-transaction']);

const classes: Readonly<Record<MethodName, ActionClass>> = {
  createOrganization: 'found-organization',
  getOrganization: 'read',
  getOrganizationWallets: 'read',
  getWalletAccessGrants: 'read',
  listPendingMigrations: 'read',
  prepareTransaction: 'dry-run',
  simulateTransaction: 'dry-run',
  addUserToOrganization: 'change-users',
  updateUserInOrganization: 'change-users',
  deleteUserFromOrganization: 'change-users',
  createAuthenticator: 'change-authenticators',
  updateAuthenticator: 'change-authenticators',
  deleteAuthenticator: 'change-authenticators',
  grantOrganizationAccess: 'change-grants',
  revokeOrganizationAccess: 'change-grants',
  transferOrganizationWallet: 'change-grants',
  approve: 'approve',
  getApprovals: 'read',
  getPolicies: 'read',
  updatePolicy: 'change-policies',
  statePrices: 'state-prices',
  stateOutcomes: 'state-outcomes',
  stateFacts: 'state-facts',
  updateOrganization: 'change-users',
  freeze: 'freeze',
  unfreeze: 'unfreeze',
  createWallet: 'make-wallet',
  getOrCreateWalletWithTag: 'make-wallet',
  initWalletImport: 'import-wallet',
  completeImportWallet: 'import-wallet',
  exportWallet: 'export-wallet',
  getWalletWithTag: 'use-accounts',
  getAccounts: 'use-accounts',
  signUtf8Message: 'sign-message',
  ethereumSignMessage: 'sign-ethereum-message',
  ethereumSignTypedData: 'sign-typed-data',
  signTransaction: 'sign-transaction',
  signRawPayload: 'sign-raw-payload',
  putBackup: 'use-backup',
  activateBackup: 'use-backup',
  getBackup: 'use-backup',
  listBackups: 'use-backup',
  getRealmTokens: 'use-backup',
  deleteBackup: 'delete-backup',
  getOrCreatePhantomOrganization: 'unsupported',
  getPhantomOrganization: 'unsupported',
  completeWalletTransfer: 'unsupported',
};

/** The class of a method; unknown names are unsupported. */
export function actionClassOf(method: MethodName): ActionClass {
  return Object.hasOwn(classes, method) ? classes[method] : 'unsupported';
}
