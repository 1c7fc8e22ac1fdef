import { chainFor } from '@keystead/chains/registry';
import { base58Decode } from '@keystead/crypto/base58';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { KmsError } from '@keystead/protocol/errors';
import type { ReadContext } from '../context.ts';

/** Looks at a transaction before it is signed. The bytes come back as they came: nothing is added or reserved. */
export function read({ request }: ReadContext<'prepareTransaction'>): unknown {
  const { transaction, account } = request.params;
  if (transaction.chain === 'solana' && account !== null) {
    let publicKey: Uint8Array;
    try {
      publicKey = base58Decode(account);
    } catch {
      throw new KmsError('parameter-invalid', { field: 'body.simulationConfig.account' });
    }
    if (publicKey.length !== 32)
      throw new KmsError('parameter-invalid', { field: 'body.simulationConfig.account' });
    chainFor('Solana').parseTransaction(transaction.bytes, {
      publicKey,
      addressFormat: 'Solana',
      address: account,
      derivationPath: null,
    });
  }
  return { transaction: base64urlEncode(transaction.bytes), simulationResult: null };
}
