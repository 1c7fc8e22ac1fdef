import type { MethodName } from '@keystead/protocol/method-table';
import type { ParsedRequest } from '@keystead/protocol/request';
import type { Answer, MakeContext, UseContext, WalletUseContext } from './method.ts';
import * as activateBackup from './methods/activateBackup.ts';
import * as completeImportWallet from './methods/completeImportWallet.ts';
import * as createWallet from './methods/createWallet.ts';
import * as deleteBackup from './methods/deleteBackup.ts';
import * as ethereumSignMessage from './methods/ethereumSignMessage.ts';
import * as ethereumSignTypedData from './methods/ethereumSignTypedData.ts';
import * as exportWallet from './methods/exportWallet.ts';
import * as forgetGeneration from './methods/forgetGeneration.ts';
import * as getAccounts from './methods/getAccounts.ts';
import * as getBackup from './methods/getBackup.ts';
import * as getOrCreateWalletWithTag from './methods/getOrCreateWalletWithTag.ts';
import * as getRealmTokens from './methods/getRealmTokens.ts';
import * as getWalletWithTag from './methods/getWalletWithTag.ts';
import * as initWalletImport from './methods/initWalletImport.ts';
import * as listBackups from './methods/listBackups.ts';
import * as putBackup from './methods/putBackup.ts';
import * as signRawPayload from './methods/signRawPayload.ts';
import * as signTransaction from './methods/signTransaction.ts';
import * as signUtf8Message from './methods/signUtf8Message.ts';
import { signingMethods } from '@keystead/protocol/signing';
import type { WalletSecret } from './wallet-secret.ts';

/** Every method that the signer answers, by name. */

const makeMethods = { completeImportWallet, createWallet, getOrCreateWalletWithTag } as const satisfies {
  [M in MethodName]?: {
    make(context: MakeContext<M>): WalletSecret;
    use(context: WalletUseContext<M>): Answer;
  };
};

const walletMethods = {
  ...makeMethods,
  ethereumSignMessage,
  ethereumSignTypedData,
  exportWallet,
  getAccounts,
  getWalletWithTag,
  signRawPayload,
  signTransaction,
  signUtf8Message,
} as const satisfies { [M in MethodName]?: { use(context: WalletUseContext<M>): Answer } };

const walletlessMethods = {
  activateBackup,
  deleteBackup,
  forgetGeneration,
  getBackup,
  getRealmTokens,
  initWalletImport,
  listBackups,
  putBackup,
} as const satisfies { [M in MethodName]?: { use(context: UseContext<M>): Answer } };

/** The secret that a request asks to make; undefined when it makes none. Throws KmsError. */
export function makeFor(context: MakeContext<MethodName>): WalletSecret | undefined {
  const { method } = context.request;
  if (!Object.hasOwn(makeMethods, method)) return undefined;
  const { make } = makeMethods[method as keyof typeof makeMethods];
  // The method of the request picked the function of that method.
  return (make as (context: MakeContext<MethodName>) => WalletSecret)(context);
}

/** True for requests that use or make a wallet. */
export function usesWallet(request: ParsedRequest): boolean {
  return Object.hasOwn(walletMethods, request.method);
}

/** The answer to a request about a wallet. Throws KmsError. */
export function useWallet(context: WalletUseContext<MethodName>): Answer {
  const { use } = walletMethods[context.request.method as keyof typeof walletMethods];
  return (use as (context: WalletUseContext<MethodName>) => Answer)(context);
}

/** The answer to a request about no wallet; undefined when there is none. Throws KmsError. */
export function useNoWallet(context: UseContext<MethodName>): Answer | undefined {
  const { method } = context.request;
  if (!Object.hasOwn(walletlessMethods, method)) return undefined;
  const { use } = walletlessMethods[method as keyof typeof walletlessMethods];
  // The method of the request picked the function of that method.
  return (use as (context: UseContext<MethodName>) => Answer)(context);
}

/** True when answering the request signs something. */
export function signs(request: ParsedRequest): boolean {
  return (signingMethods as readonly string[]).includes(request.method);
}
