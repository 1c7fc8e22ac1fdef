import type { Command } from './command.ts';
import { approvalApprove } from './commands/approval/approve.ts';
import { approvalComplete } from './commands/approval/complete.ts';
import { approvalList } from './commands/approval/list.ts';
import { approvalReject } from './commands/approval/reject.ts';
import { approvalShow } from './commands/approval/show.ts';
import { authenticatorAdd } from './commands/authenticator/add.ts';
import { authenticatorList } from './commands/authenticator/list.ts';
import { authenticatorProve } from './commands/authenticator/prove.ts';
import { authenticatorRemove } from './commands/authenticator/remove.ts';
import { authenticatorUpdate } from './commands/authenticator/update.ts';
import { backupExport } from './commands/backup/export.ts';
import { backupServe } from './commands/backup/serve.ts';
import { backupStatus } from './commands/backup/status.ts';
import { backupVerify } from './commands/backup/verify.ts';
import { doctor } from './commands/doctor.ts';
import { exportSecret } from './commands/export.ts';
import { importSecret } from './commands/import.ts';
import { init } from './commands/init.ts';
import { ledgerVerify } from './commands/ledger/verify.ts';
import { operatorFound } from './commands/operator/found.ts';
import { operatorRotate } from './commands/operator/rotate.ts';
import { operatorRotateRoleKeys } from './commands/operator/role-keys.ts';
import { operatorRetireWalletKey, operatorRotateWalletKey } from './commands/operator/wallet-key.ts';
import { operatorStatus } from './commands/operator/status.ts';
import { operatorUnlock } from './commands/operator/unlock.ts';
import { orgCreate } from './commands/org/create.ts';
import { orgFreeze } from './commands/org/freeze.ts';
import { orgGuardians, orgGuardiansSet } from './commands/org/guardians.ts';
import { orgShow } from './commands/org/show.ts';
import { orgThreshold } from './commands/org/threshold.ts';
import { orgUnfreeze } from './commands/org/unfreeze.ts';
import { realmCampaignFinish } from './commands/realm/campaign/finish.ts';
import { realmCampaignRemind } from './commands/realm/campaign/remind.ts';
import { realmCampaignStart } from './commands/realm/campaign/start.ts';
import { realmCampaignStatus } from './commands/realm/campaign/status.ts';
import { realmDecommission } from './commands/realm/decommission.ts';
import { realmExport } from './commands/realm/export.ts';
import { realmMigrate } from './commands/realm/migrate.ts';
import { realmPlan } from './commands/realm/plan.ts';
import { realmServe } from './commands/realm/serve.ts';
import { realmTenant } from './commands/realm/tenant.ts';
import { policyApply } from './commands/policy/apply.ts';
import { policyCheck } from './commands/policy/check.ts';
import { policyDiff } from './commands/policy/diff.ts';
import { policyExplain } from './commands/policy/explain.ts';
import { policyList } from './commands/policy/list.ts';
import { policyPlan } from './commands/policy/plan.ts';
import { policyRemove } from './commands/policy/remove.ts';
import { policyShadow } from './commands/policy/shadow.ts';
import { policySimulate } from './commands/policy/simulate.ts';
import { policyTest } from './commands/policy/test.ts';
import { recoverCancel } from './commands/recover/cancel.ts';
import { recoverComplete } from './commands/recover/complete.ts';
import { recoverStart } from './commands/recover/start.ts';
import { recoverOfflineCommand } from './commands/recover-offline.ts';
import { factsState } from './commands/facts/state.ts';
import { outcomesList } from './commands/outcomes/list.ts';
import { outcomesRevoke } from './commands/outcomes/revoke.ts';
import { outcomesState } from './commands/outcomes/state.ts';
import { outcomesWatch } from './commands/outcomes/watch.ts';
import { pricesFeed } from './commands/prices/feed.ts';
import { pricesState } from './commands/prices/state.ts';
import { send } from './commands/send.ts';
import { signMessage } from './commands/sign/message.ts';
import { signRaw } from './commands/sign/raw.ts';
import { signTransaction } from './commands/sign/transaction.ts';
import { signTypedData } from './commands/sign/typed-data.ts';
import { userAdd } from './commands/user/add.ts';
import { userFreeze } from './commands/user/freeze.ts';
import { userList } from './commands/user/list.ts';
import { userRemove } from './commands/user/remove.ts';
import { userUnfreeze } from './commands/user/unfreeze.ts';
import { userUpdate } from './commands/user/update.ts';
import { verify } from './commands/verify.ts';
import { walletAccounts } from './commands/wallet/accounts.ts';
import { walletCreate } from './commands/wallet/create.ts';
import { walletFreeze } from './commands/wallet/freeze.ts';
import { walletList } from './commands/wallet/list.ts';
import { walletShow } from './commands/wallet/show.ts';
import { walletUnfreeze } from './commands/wallet/unfreeze.ts';

/** Every command, in the order in which the help lists them. */
export const commands: readonly Command[] = [
  init,
  orgCreate,
  orgShow,
  orgThreshold,
  orgGuardians,
  orgGuardiansSet,
  recoverStart,
  recoverComplete,
  recoverCancel,
  orgFreeze,
  orgUnfreeze,
  userAdd,
  userUpdate,
  userRemove,
  userFreeze,
  userUnfreeze,
  userList,
  authenticatorAdd,
  authenticatorProve,
  authenticatorUpdate,
  authenticatorRemove,
  authenticatorList,
  walletCreate,
  walletList,
  walletShow,
  walletAccounts,
  walletFreeze,
  walletUnfreeze,
  approvalList,
  approvalShow,
  approvalApprove,
  approvalReject,
  approvalComplete,
  policyCheck,
  policyTest,
  policyExplain,
  policyDiff,
  policyPlan,
  policySimulate,
  policyShadow,
  policyApply,
  policyList,
  policyRemove,
  pricesState,
  pricesFeed,
  factsState,
  outcomesList,
  outcomesRevoke,
  outcomesState,
  outcomesWatch,
  signMessage,
  signTransaction,
  signTypedData,
  signRaw,
  send,
  exportSecret,
  importSecret,
  ledgerVerify,
  operatorFound,
  operatorUnlock,
  operatorRotate,
  operatorRotateWalletKey,
  operatorRotateRoleKeys,
  operatorRetireWalletKey,
  operatorStatus,
  realmServe,
  realmTenant,
  realmExport,
  realmPlan,
  realmMigrate,
  realmCampaignStart,
  realmCampaignStatus,
  realmCampaignRemind,
  realmCampaignFinish,
  realmDecommission,
  backupServe,
  backupExport,
  backupStatus,
  backupVerify,
  recoverOfflineCommand,
  verify,
  doctor,
];
