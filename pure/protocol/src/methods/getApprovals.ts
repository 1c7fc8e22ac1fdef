import { approvalList } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { base64url } from '../parameters/bytes.ts';
import { id } from '../parameters/text.ts';

export const name = 'getApprovals';
export const kind = 'read';
export const summary = 'Lists what waits for approvals, or shows one subject with the approvals given.';

export interface Params {
  readonly organizationId: string;
  /** 32 bytes; null lists all open subjects. */
  readonly subject: Uint8Array | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { organizationId: id(surface) },
      optional: { subject: base64url({ min: 32, max: 32 }) },
    }),
    ({ organizationId, subject = null }) => ({ organizationId, subject }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = approvalList;
