import { parseStrictJson } from '@keystead/crypto/strict-json';
import { isErrorCode, KmsError } from '@keystead/protocol/errors';
import type { Made } from '@keystead/protocol/ticket';
import type { MadeResult } from './pending.ts';

/** What the signer made or derived, or why it would not. */
export function madeResult(made: Made): MadeResult | KmsError {
  if (made.refusal.length > 0) {
    const { code, detail, field } = parseStrictJson(made.refusal, { maxBytes: 8192 }) as Record<
      string,
      string
    >;
    return new KmsError(code !== undefined && isErrorCode(code) ? code : 'unavailable', { detail, field });
  }
  const told = parseStrictJson(made.accounts, { maxBytes: 65536 }) as Record<string, unknown>;
  const single = told.account as
    | { curve: string; addressFormat: string; address: string; publicKey: string }
    | undefined;
  return {
    secret: made.secret,
    sealed: made.sealed,
    type: told.type === 'KEYPAIR' ? 'KEYPAIR' : 'MNEMONIC',
    accounts: single === undefined ? (told.accounts as never) : [{ ...single, derivationPath: '' }],
    accountKeys: (told.accountKeys as MadeResult['accountKeys'] | undefined) ?? [],
  };
}
