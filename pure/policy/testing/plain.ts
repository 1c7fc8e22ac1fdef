/** A plain request, and what differs from it, for tests that are about one part of it. */
import type { Effects } from '@keystead/chains/effects';
import type { PolicyRequest } from '../src/request.ts';

/** A transfer of five lamports from A to B, without a fee. */
export const plainEffects: Effects = {
  chain: 'solana',
  network: null,
  version: 'v0',
  signers: ['A'],
  feePayer: 'A',
  maxFee: null,
  outflows: [{ asset: 'solana:x/slip44:501', amount: 5n, from: 'A', to: 'B', kind: 'transfer' }],
  grants: [],
  takeovers: [],
  validity: { uniqueness: 'blockhash', key: 'x', notBefore: null, notAfter: null },
  unresolved: [],
  calls: [],
};

/** `effects` differ from the plain ones; null: none. */
export function plainRequest(
  effects: Partial<Effects> | null = {},
  over: Partial<PolicyRequest> = {},
): PolicyRequest {
  return {
    subject: { organizationId: 'o', username: 'u', root: false, authenticatorId: 'a', traits: {} },
    action: 'signTransaction',
    surface: 'native',
    resource: {
      ownUser: false,
      rawPayload: false,
      origin: null,
      network: null,
      walletId: 'w',
      walletTags: [],
      owner: 'o',
      derivationPaths: ["m/44'/501'/0'/0'"],
      address: 'A',
      addressFormat: 'Solana',
      ownAddresses: new Set(),
    },
    effects: effects === null ? null : { ...plainEffects, ...effects },
    ...over,
  };
}
