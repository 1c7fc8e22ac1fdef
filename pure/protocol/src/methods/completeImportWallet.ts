import { wallet } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { base64OrBase64url, base64url, type ByteLimits } from '../parameters/bytes.ts';
import { id, name as displayName, tags } from '../parameters/text.ts';
import { type KeyConstraints, unconstrained } from '../key-constraints.ts';
import { constraintFields } from '../parameters/key-constraints.ts';
import { type WalletParameters, walletFields, walletParameters } from '../parameters/wallet.ts';

export const name = 'completeImportWallet';
export const kind = 'make';
export const summary = 'Makes a wallet from a secret that was encrypted for the key of initWalletImport.';

export interface Params {
  readonly organizationId: string;
  readonly walletName: string;
  readonly tags: readonly string[];
  /** As initWalletImport answered it. */
  readonly importEnvelope: {
    readonly envelope: Uint8Array;
    /** 32 bytes, X25519. */
    readonly publicKey: Uint8Array;
  };
  /** spec/transport.md. */
  readonly encryptedSecret: Uint8Array;
  readonly wallet: WalletParameters;
  /** Sealed with the key that is made. */
  readonly constraints: KeyConstraints;
}

const params = (surface: Surface): Schema<Params> => {
  const bytes = (limits: ByteLimits) =>
    surface === 'native' ? base64url(limits) : base64OrBase64url(limits);
  return transform(
    members(surface, {
      required: {
        organizationId: id(surface),
        walletName: displayName,
        importEnvelope: members(surface, {
          required: { envelope: bytes({ min: 1, max: 1024 }), publicKey: bytes({ min: 32, max: 32 }) },
        }),
        encryptedSecret: bytes({ min: 1, max: 1024 }),
      },
      optional: { tags, ...walletFields(surface), ...constraintFields(surface) },
    }),
    (value, path) => ({
      organizationId: value.organizationId,
      walletName: value.walletName,
      tags: value.tags ?? [],
      importEnvelope: value.importEnvelope,
      encryptedSecret: value.encryptedSecret,
      wallet: walletParameters(value, path),
      constraints: value.constraints ?? unconstrained,
    }),
  );
};

export const native = params('native');
export const compatibility = params('compatibility');
export const result = wallet;
