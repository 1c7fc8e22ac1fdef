import { exportBundle } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { base64OrBase64url, base64url } from '../parameters/bytes.ts';
import { id, name as displayName } from '../parameters/text.ts';

export const name = 'exportWallet';
export const kind = 'use';
export const summary = "The wallet's secret, encrypted by the signer for a key of the caller.";

export interface Params {
  readonly organizationId: string;
  readonly walletId: string;
  /** 32 bytes, X25519. */
  readonly publicKey: Uint8Array;
  readonly policyName: string | null;
}

const key = { min: 32, max: 32 };

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: {
        organizationId: id(surface),
        walletId: id(surface),
        publicKey: surface === 'native' ? base64url(key) : base64OrBase64url(key),
      },
      optional: { policyName: displayName },
    }),
    (value) => ({ ...value, policyName: value.policyName ?? null }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = exportBundle;
