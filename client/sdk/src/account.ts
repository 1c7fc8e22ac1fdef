import type { Client } from './client.ts';
import { KmsError } from './errors.ts';
import type { Account, AddressFormat, DerivationInfo } from './native-calls.ts';

/** Which account of which wallet; without `derivationInfo` the one account of a single-key wallet. */
export interface AccountOptions {
  readonly organizationId: string;
  readonly walletId: string;
  readonly derivationInfo?: DerivationInfo;
  /** Names the grant to act under, where several stand. */
  readonly policyName?: string;
}

/** The account as the signer states it. Throws KmsError as `client.call`, and `address-format-unsupported`. */
export async function oneAccount(
  client: Client,
  options: AccountOptions,
  format: AddressFormat,
): Promise<Account> {
  const { organizationId, walletId, derivationInfo } = options;
  const accounts = derivationInfo === undefined ? [] : [derivationInfo];
  const [account] = await client.call('getAccounts', { organizationId, walletId, accounts });
  if (account === undefined || account.addressFormat !== format)
    throw new KmsError('address-format-unsupported', {
      field: 'derivationInfo',
      detail: `The account has no address of format ${format}.`,
    });
  return account;
}
