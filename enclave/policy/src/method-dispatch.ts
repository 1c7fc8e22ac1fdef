import type { MethodName } from '@keystead/protocol/method-table';
import type { ChangeContext, ReadContext } from './context.ts';
import * as addUserToOrganization from './methods/addUserToOrganization.ts';
import * as approve from './methods/approve.ts';
import * as cancelRecovery from './methods/cancelRecovery.ts';
import * as completeRecovery from './methods/completeRecovery.ts';
import * as createAuthenticator from './methods/createAuthenticator.ts';
import * as createOrganization from './methods/createOrganization.ts';
import * as deleteAuthenticator from './methods/deleteAuthenticator.ts';
import * as deleteUserFromOrganization from './methods/deleteUserFromOrganization.ts';
import * as freeze from './methods/freeze.ts';
import * as getApprovals from './methods/getApprovals.ts';
import * as getRecovery from './methods/getRecovery.ts';
import * as getOrganization from './methods/getOrganization.ts';
import * as getOrganizationWallets from './methods/getOrganizationWallets.ts';
import * as getWalletAccessGrants from './methods/getWalletAccessGrants.ts';
import * as getPolicies from './methods/getPolicies.ts';
import * as grantOrganizationAccess from './methods/grantOrganizationAccess.ts';
import * as listPendingMigrations from './methods/listPendingMigrations.ts';
import * as prepareTransaction from './methods/prepareTransaction.ts';
import * as revokeOrganizationAccess from './methods/revokeOrganizationAccess.ts';
import * as simulateTransaction from './methods/simulateTransaction.ts';
import * as startRecovery from './methods/startRecovery.ts';
import * as transferOrganizationWallet from './methods/transferOrganizationWallet.ts';
import * as stateFacts from './methods/stateFacts.ts';
import * as stateOutcomes from './methods/stateOutcomes.ts';
import * as statePrices from './methods/statePrices.ts';
import * as unfreeze from './methods/unfreeze.ts';
import * as updateAuthenticator from './methods/updateAuthenticator.ts';
import * as updateGuardians from './methods/updateGuardians.ts';
import * as updateOrganization from './methods/updateOrganization.ts';
import * as updatePolicy from './methods/updatePolicy.ts';
import * as updateUserInOrganization from './methods/updateUserInOrganization.ts';

/** Methods that write cells and are answered by the policy engine. */
export const changeMethods: { readonly [M in MethodName]?: (context: ChangeContext<M>) => unknown } = {
  addUserToOrganization: addUserToOrganization.change,
  approve: approve.change,
  cancelRecovery: cancelRecovery.change,
  completeRecovery: completeRecovery.change,
  createAuthenticator: createAuthenticator.change,
  createOrganization: createOrganization.change,
  deleteAuthenticator: deleteAuthenticator.change,
  deleteUserFromOrganization: deleteUserFromOrganization.change,
  freeze: freeze.change,
  grantOrganizationAccess: grantOrganizationAccess.change,
  revokeOrganizationAccess: revokeOrganizationAccess.change,
  stateFacts: stateFacts.change,
  startRecovery: startRecovery.change,
  stateOutcomes: stateOutcomes.change,
  statePrices: statePrices.change,
  transferOrganizationWallet: transferOrganizationWallet.change,
  unfreeze: unfreeze.change,
  updateAuthenticator: updateAuthenticator.change,
  updateGuardians: updateGuardians.change,
  updateOrganization: updateOrganization.change,
  updatePolicy: updatePolicy.change,
  updateUserInOrganization: updateUserInOrganization.change,
};

/** Methods that write nothing. */
export const readMethods: { readonly [M in MethodName]?: (context: ReadContext<M>) => unknown } = {
  getApprovals: getApprovals.read,
  getOrganization: getOrganization.read,
  getOrganizationWallets: getOrganizationWallets.read,
  getPolicies: getPolicies.read,
  getRecovery: getRecovery.read,
  getWalletAccessGrants: getWalletAccessGrants.read,
  listPendingMigrations: listPendingMigrations.read,
  prepareTransaction: prepareTransaction.read,
  simulateTransaction: simulateTransaction.read,
};
