/** Every method by name. A method is one file of methods/, under the same name in every zone it crosses. */
import * as activateBackup from './methods/activateBackup.ts';
import * as addUserToOrganization from './methods/addUserToOrganization.ts';
import * as approve from './methods/approve.ts';
import * as cancelRecovery from './methods/cancelRecovery.ts';
import * as completeImportWallet from './methods/completeImportWallet.ts';
import * as completeRecovery from './methods/completeRecovery.ts';
import * as completeWalletTransfer from './methods/completeWalletTransfer.ts';
import * as createAuthenticator from './methods/createAuthenticator.ts';
import * as createOrganization from './methods/createOrganization.ts';
import * as createWallet from './methods/createWallet.ts';
import * as deleteAuthenticator from './methods/deleteAuthenticator.ts';
import * as deleteBackup from './methods/deleteBackup.ts';
import * as deleteUserFromOrganization from './methods/deleteUserFromOrganization.ts';
import * as ethereumSignMessage from './methods/ethereumSignMessage.ts';
import * as ethereumSignTypedData from './methods/ethereumSignTypedData.ts';
import * as exportWallet from './methods/exportWallet.ts';
import * as forgetGeneration from './methods/forgetGeneration.ts';
import * as freeze from './methods/freeze.ts';
import * as getAccounts from './methods/getAccounts.ts';
import * as getApprovals from './methods/getApprovals.ts';
import * as getBackup from './methods/getBackup.ts';
import * as getOrCreatePhantomOrganization from './methods/getOrCreatePhantomOrganization.ts';
import * as getOrCreateWalletWithTag from './methods/getOrCreateWalletWithTag.ts';
import * as getOrganization from './methods/getOrganization.ts';
import * as getOrganizationWallets from './methods/getOrganizationWallets.ts';
import * as getPhantomOrganization from './methods/getPhantomOrganization.ts';
import * as getPolicies from './methods/getPolicies.ts';
import * as getRealmTokens from './methods/getRealmTokens.ts';
import * as getRecovery from './methods/getRecovery.ts';
import * as getWalletAccessGrants from './methods/getWalletAccessGrants.ts';
import * as getWalletWithTag from './methods/getWalletWithTag.ts';
import * as grantOrganizationAccess from './methods/grantOrganizationAccess.ts';
import * as initWalletImport from './methods/initWalletImport.ts';
import * as listBackups from './methods/listBackups.ts';
import * as listPendingMigrations from './methods/listPendingMigrations.ts';
import * as prepareTransaction from './methods/prepareTransaction.ts';
import * as putBackup from './methods/putBackup.ts';
import * as revokeOrganizationAccess from './methods/revokeOrganizationAccess.ts';
import * as signRawPayload from './methods/signRawPayload.ts';
import * as signTransaction from './methods/signTransaction.ts';
import * as signUtf8Message from './methods/signUtf8Message.ts';
import * as simulateTransaction from './methods/simulateTransaction.ts';
import * as stateFacts from './methods/stateFacts.ts';
import * as startRecovery from './methods/startRecovery.ts';
import * as stateOutcomes from './methods/stateOutcomes.ts';
import * as statePrices from './methods/statePrices.ts';
import * as transferOrganizationWallet from './methods/transferOrganizationWallet.ts';
import * as unfreeze from './methods/unfreeze.ts';
import * as updateAuthenticator from './methods/updateAuthenticator.ts';
import * as updateGuardians from './methods/updateGuardians.ts';
import * as updateOrganization from './methods/updateOrganization.ts';
import * as updatePolicy from './methods/updatePolicy.ts';
import * as updateUserInOrganization from './methods/updateUserInOrganization.ts';
import type { JsonSchema, Schema } from './schema.ts';
import type { Surface } from './surface.ts';

/**
 * `read`: the policy engine answers, no entry. `change`: it answers from a committed entry.
 * `make`: the signer makes a secret, then an entry. `use`: an entry, then the signer acts. `unsupported`: always refused.
 */
export type MethodKind = 'read' | 'change' | 'make' | 'use' | 'unsupported';

/** What each file of methods/ exports. */
export interface Method<Params = unknown> {
  readonly name: string;
  readonly kind: MethodKind;
  readonly summary: string;
  readonly native: Schema<Params>;
  readonly compatibility: Schema<Params>;
  readonly result: JsonSchema;
}

export const methods = {
  activateBackup,
  addUserToOrganization,
  approve,
  cancelRecovery,
  completeImportWallet,
  completeRecovery,
  completeWalletTransfer,
  createAuthenticator,
  createOrganization,
  createWallet,
  deleteAuthenticator,
  deleteBackup,
  deleteUserFromOrganization,
  ethereumSignMessage,
  ethereumSignTypedData,
  exportWallet,
  forgetGeneration,
  freeze,
  getAccounts,
  getApprovals,
  getBackup,
  getOrCreatePhantomOrganization,
  getOrCreateWalletWithTag,
  getOrganization,
  getOrganizationWallets,
  getPhantomOrganization,
  getPolicies,
  getRealmTokens,
  getRecovery,
  getWalletAccessGrants,
  getWalletWithTag,
  grantOrganizationAccess,
  initWalletImport,
  listBackups,
  listPendingMigrations,
  prepareTransaction,
  putBackup,
  revokeOrganizationAccess,
  signRawPayload,
  signTransaction,
  signUtf8Message,
  simulateTransaction,
  stateFacts,
  startRecovery,
  stateOutcomes,
  statePrices,
  transferOrganizationWallet,
  unfreeze,
  updateAuthenticator,
  updateGuardians,
  updateOrganization,
  updatePolicy,
  updateUserInOrganization,
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof methods;

/** The normalised parameters of a method; both surfaces parse into them. */
export type ParamsOf<M extends MethodName> =
  (typeof methods)[M]['native'] extends Schema<infer P> ? P : never;
export type KindOf<M extends MethodName> = (typeof methods)[M]['kind'];

export const methodNames = Object.keys(methods) as readonly MethodName[];

/** Methods that are a route of their own on a surface and cannot be called by name there. */
const byRouteOnly: Readonly<Record<Surface, readonly MethodName[]>> = {
  native: ['prepareTransaction'],
  compatibility: ['prepareTransaction', 'simulateTransaction'],
};

/** Other names that callers use. */
const aliases: Readonly<Record<Surface, Readonly<Record<string, MethodName>>>> = {
  native: { getWalletAccessGrantsRequest: 'getWalletAccessGrants' },
  compatibility: {
    getWalletAccessGrantsRequest: 'getWalletAccessGrants',
    initMnemonicImport: 'initWalletImport',
    completeMnemonicImport: 'completeImportWallet',
    completeWalletImport: 'completeImportWallet',
  },
};

/** The method that `name` calls on a surface, or undefined. Exact and case-sensitive. */
export function methodNamed(surface: Surface, name: string): MethodName | undefined {
  const known = aliases[surface];
  if (Object.hasOwn(known, name)) return known[name];
  if (!Object.hasOwn(methods, name)) return undefined;
  const method = name as MethodName;
  return byRouteOnly[surface].includes(method) ? undefined : method;
}

/** Every name that calls a method on a surface: its own and its aliases. */
export function namesOf(surface: Surface, method: MethodName): readonly string[] {
  const others = Object.entries(aliases[surface]).filter(([, target]) => target === method);
  return [...(byRouteOnly[surface].includes(method) ? [] : [method]), ...others.map(([alias]) => alias)];
}
