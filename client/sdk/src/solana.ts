import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Decode } from '@keystead/crypto/bytes';
import { type AccountOptions, oneAccount } from './account.ts';
import type { Client } from './client.ts';
import { KmsError } from './errors.ts';

/** Address and signature as @solana/kit brands them, written out so that kit is not needed here. */
export type SolanaAddress = string & {
  readonly '__brand:@solana/kit': 'Address';
  readonly '__stringEncoding:@solana/kit': 'base58';
};
export type SolanaSignature = Uint8Array & { readonly '__brand:@solana/kit': 'SignatureBytes' };
type Signatures = Readonly<Record<SolanaAddress, SolanaSignature>>;

interface SignConfig {
  readonly abortSignal?: AbortSignal;
}

/** Fits TransactionPartialSigner and MessagePartialSigner of @solana/kit. */
export interface SolanaSigner {
  readonly address: SolanaAddress;
  /** Only the compiled message of each transaction is looked at and signed. */
  signTransactions(
    transactions: readonly { readonly messageBytes: ArrayLike<number> }[],
    config?: SignConfig,
  ): Promise<readonly Signatures[]>;
  /** The content must be UTF-8. */
  signMessages(
    messages: readonly { readonly content: ArrayLike<number> }[],
    config?: SignConfig,
  ): Promise<readonly Signatures[]>;
}

/**
 * A signer of @solana/kit whose key stays with the KMS. Signatures are verified before they are returned; each
 * transaction is a request of its own. Throws KmsError as `client.call`.
 */
export async function toSolanaSigner(client: Client, options: AccountOptions): Promise<SolanaSigner> {
  const account = await oneAccount(client, options, 'Solana');
  const address = account.address as SolanaAddress;
  const one = async (signed: {
    readonly signature?: string;
    readonly address: string;
  }): Promise<Signatures> => {
    if (signed.address !== address || signed.signature === undefined)
      throw new KmsError('answer-unverified', { detail: 'The signature is of another account.' });
    return Object.freeze({ [address]: base64urlDecode(signed.signature) as SolanaSignature });
  };
  return Object.freeze({
    address,
    signTransactions: (transactions, { abortSignal } = {}) =>
      inTurn(transactions, async ({ messageBytes }) =>
        one(
          await client.call(
            'signTransaction',
            { ...options, chain: 'solana', transaction: base64urlEncode(Uint8Array.from(messageBytes)) },
            signalOf(abortSignal),
          ),
        ),
      ),
    signMessages: (messages, { abortSignal } = {}) =>
      inTurn(messages, async ({ content }) =>
        one(
          await client.call(
            'signUtf8Message',
            { ...options, algorithm: 'Ed25519', message: textOf(Uint8Array.from(content)) },
            signalOf(abortSignal),
          ),
        ),
      ),
  } satisfies SolanaSigner);
}

const signalOf = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal });

/** One after the other: the first refusal ends it, and nothing behind it is decided. */
async function inTurn<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await act(item));
  return results;
}

function textOf(content: Uint8Array): string {
  try {
    return utf8Decode(content);
  } catch (cause) {
    throw new KmsError('parameter-invalid', {
      field: 'messages',
      detail: 'Only messages in UTF-8 can be signed.',
      cause,
    });
  }
}
