import { equalBytes } from '@keystead/crypto/bytes';
import type { JsonValue } from '@keystead/crypto/strict-json';
import type { KeyUse } from '@keystead/protocol/entry';
import { formatUuid } from '@keystead/protocol/ids';
import { type Derivation, defaultAccounts } from '@keystead/protocol/parameters/derivation';
import type { KeyConstraints } from '@keystead/protocol/key-constraints';
import { nothingSigned } from '@keystead/protocol/signed-bytes';
import { accountsOf } from './accounts.ts';
import type { Answer, WalletUse } from './method.ts';
import { refusal } from './refusal.ts';

/** Check 22 for a use that signs nothing. */
export function assertSignsNothing(context: { readonly keyUse: KeyUse }): void {
  if (!equalBytes(context.keyUse.bytesDigest, nothingSigned))
    throw refusal('bytes', 'The entry was decided on bytes, and the request signs none.');
}

/** As the request that made the wallet wrote them; nothing for a key that may be used for everything. */
function constraintsOf(constraints: KeyConstraints): { constraints?: { [member: string]: JsonValue } } {
  const { networks, signs, caps, exportAllowed } = constraints;
  if (networks === undefined && signs === 'ALL' && caps === undefined && exportAllowed) return {};
  return {
    constraints: {
      ...(networks === undefined ? {} : { networks: [...networks] }),
      signs,
      ...(caps === undefined ? {} : { caps: caps.map((cap) => ({ ...cap })) }),
      export: exportAllowed,
    },
  };
}

/** Wallet with its accounts, derived here from the row. `accounts` null: those of the ticket, else the default ones. */
export function walletAnswer(
  context: WalletUse,
  options: {
    readonly walletName: string;
    readonly tags: readonly string[];
    readonly accounts: readonly Derivation[] | null;
  },
): Answer {
  assertSignsNothing(context);
  const { keyUse, wallet: open } = context;
  const display = context.display();
  const told = accountsOf(open, options.accounts ?? display.accounts ?? defaultAccounts);
  const wallet = {
    walletId: formatUuid(keyUse.walletId),
    walletName: display.walletName ?? options.walletName,
    tags: [...(display.tags ?? options.tags)],
    type: told.type,
    ...constraintsOf(open.constraints),
  };
  return told.type === 'KEYPAIR'
    ? { ...wallet, account: { ...told.account } }
    : { ...wallet, accounts: told.accounts.map((account) => ({ ...account })) };
}
