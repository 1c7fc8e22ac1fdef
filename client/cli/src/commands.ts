import type { Command } from './command.ts';
import { authenticatorAdd } from './commands/authenticator/add.ts';
import { authenticatorList } from './commands/authenticator/list.ts';
import { authenticatorProve } from './commands/authenticator/prove.ts';
import { authenticatorRemove } from './commands/authenticator/remove.ts';
import { authenticatorUpdate } from './commands/authenticator/update.ts';
import { doctor } from './commands/doctor.ts';
import { exportSecret } from './commands/export.ts';
import { importSecret } from './commands/import.ts';
import { init } from './commands/init.ts';
import { ledgerVerify } from './commands/ledger/verify.ts';
import { operatorFound } from './commands/operator/found.ts';
import { operatorStatus } from './commands/operator/status.ts';
import { operatorUnlock } from './commands/operator/unlock.ts';
import { orgCreate } from './commands/org/create.ts';
import { orgShow } from './commands/org/show.ts';
import { send } from './commands/send.ts';
import { signMessage } from './commands/sign/message.ts';
import { signRaw } from './commands/sign/raw.ts';
import { signTransaction } from './commands/sign/transaction.ts';
import { signTypedData } from './commands/sign/typed-data.ts';
import { userAdd } from './commands/user/add.ts';
import { userList } from './commands/user/list.ts';
import { userRemove } from './commands/user/remove.ts';
import { userUpdate } from './commands/user/update.ts';
import { walletAccounts } from './commands/wallet/accounts.ts';
import { walletCreate } from './commands/wallet/create.ts';
import { walletList } from './commands/wallet/list.ts';
import { walletShow } from './commands/wallet/show.ts';

/** Every command, in the order in which the help lists them. */
export const commands: readonly Command[] = [
  init,
  orgCreate,
  orgShow,
  userAdd,
  userUpdate,
  userRemove,
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
  operatorStatus,
  doctor,
];
