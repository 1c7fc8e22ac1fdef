/** The published client, unmodified, against a started stack. */
import { ApiKeyStamper } from '@phantom/api-key-stamper';
import {
  type AuthenticatorConfig,
  generateKeyPair,
  type Keypair,
  PhantomClient,
  type UserConfig,
} from '@phantom/client';
import bs58 from 'bs58';
import type { TestStack } from '../with-stack.ts';

type Authenticator = Extract<AuthenticatorConfig, { authenticatorKind: 'keypair' }>;
export type WalletType = 'user-wallet' | 'server-wallet';

/** The public key of a key pair as authenticators name it: base64url. */
export const publicKeyOf = (pair: Keypair): string =>
  Buffer.from(bs58.decode(pair.publicKey)).toString('base64url');

export function keypairOf(pair: Keypair, authenticatorName = 'first'): Authenticator {
  return {
    authenticatorKind: 'keypair',
    authenticatorName,
    publicKey: publicKeyOf(pair),
    algorithm: 'Ed25519' as Authenticator['algorithm'],
  };
}

export function clientWith(
  running: TestStack,
  pair: Keypair,
  organizationId?: string,
  walletType: WalletType = 'user-wallet',
): PhantomClient {
  const config = { apiBaseUrl: running.wallets, walletType };
  return new PhantomClient(
    organizationId === undefined ? config : { ...config, organizationId },
    new ApiKeyStamper({ apiSecretKey: pair.secretKey }),
  );
}

export interface PhantomOrganization {
  readonly organizationId: string;
  readonly pair: Keypair;
  readonly client: PhantomClient;
}

/** An organization with the user `root`, founded through the published client. */
export async function found(running: TestStack, more: UserConfig[] = []): Promise<PhantomOrganization> {
  const pair = generateKeyPair();
  const users: UserConfig[] = [
    { username: 'root', role: 'ADMIN', authenticators: [keypairOf(pair)] },
    ...more,
  ];
  const { organizationId } = await clientWith(running, pair).createOrganization('Acme', users, ['t1']);
  return { organizationId, pair, client: clientWith(running, pair, organizationId) };
}

export const addressOf = (
  addresses: readonly { readonly addressType: string; readonly address: string }[],
  type: string,
): string => {
  const found = addresses.find(({ addressType }) => addressType === type);
  if (found === undefined) throw new Error(`no address of type ${type}`);
  return found.address;
};
