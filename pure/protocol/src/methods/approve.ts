import { approvalState } from '../result-schemas.ts';
import { enumeration, integer, type Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { base64url } from '../parameters/bytes.ts';
import { id } from '../parameters/text.ts';

export const name = 'approve';
export const kind = 'change';
export const summary = 'Says yes or no to what another user asked for.';

export interface Params {
  readonly organizationId: string;
  /** 32 bytes (spec/approval.md §1). */
  readonly subject: Uint8Array;
  readonly verdict: 'approve' | 'reject';
  /** How long the verdict counts, from the `created` of its stamp. */
  readonly expiresInMs: number;
}

const params = (surface: Surface): Schema<Params> =>
  members(surface, {
    required: {
      organizationId: id(surface),
      subject: base64url({ min: 32, max: 32 }),
      verdict: enumeration(['approve', 'reject'] as const),
      expiresInMs: integer({ min: 1000, max: 604_800_000 }),
    },
  });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = approvalState;
