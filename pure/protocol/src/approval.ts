import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { type JsonValue, parseStrictJson } from '@keystead/crypto/strict-json';
import { withoutLateBound as ethereumWithoutLateBound } from '@keystead/chains/ethereum/late-bound';
import { withoutLateBound as solanaWithoutLateBound } from '@keystead/chains/solana/late-bound';
import { assertInForce, type AuthorityReader, type Caller, callerOf } from './authenticate.ts';
import { domainHash } from './domain.ts';
import { KmsError } from './errors.ts';
import { RawRequest, routeRpc, surfaceNative } from './frames.ts';
import { formatUuid } from './ids.ts';
import { bodyLimits, type ParsedRequest, parseRequest } from './request.ts';
import { parseStamp, requestIdentity, stampSkewSeconds, verifyStamp } from './stamp.ts';

/** spec/approval.md: who agreed to a request, judged by each zone from the stamped requests that it carries. */

/** Somebody's stamped consent that counts. */
export interface Approval {
  /** Identity of the approving request. */
  readonly identity: Uint8Array;
  readonly keyHash: Uint8Array;
  readonly username: string;
  readonly root: boolean;
}

/** Who asks: consent to the request of one is none to the same request of another. */
export interface Requester {
  readonly username: string;
  /** UUID of the authenticator that stamps. */
  readonly authenticatorId: string;
}

export function requesterOf({ user, authenticator }: Caller): Requester {
  return { username: user.username, authenticatorId: formatUuid(authenticator.id) };
}

/** What a request without approvals would be approved as: 32 bytes. `organization` is the requester's, 16 bytes. */
export function approvalSubject(
  organization: Uint8Array,
  requester: Requester,
  body: Uint8Array,
): Uint8Array {
  const { method, params } = parseStrictJson(body, bodyLimits) as { method: string; params: JsonValue };
  return domainHash('keystead/approval/v2', organization, utf8Encode(subjectText(requester, method, params)));
}

/** RFC 8785 JSON of `{"method", "params", "requester"}` with what is bound late left open. */
export function subjectText(
  { username, authenticatorId }: Requester,
  method: string,
  params: JsonValue,
): string {
  return canonicalize({
    method,
    params: method === 'signTransaction' ? openTransaction(params) : params,
    requester: { authenticator: authenticatorId, user: username },
  });
}

function openTransaction(params: JsonValue): JsonValue {
  const { chain, transaction, maximumFee } = params as { readonly [name: string]: JsonValue };
  if (typeof transaction !== 'string') return params;
  // The fee of an EVM transaction is open only up to the figure that is approved with it.
  const open =
    chain === 'solana'
      ? solanaWithoutLateBound
      : chain === 'ethereum' && maximumFee !== undefined
        ? ethereumWithoutLateBound
        : null;
  if (open === null) return params;
  return { ...(params as object), transaction: base64urlEncode(open(base64urlDecode(transaction))) };
}

export interface ApprovalInput {
  readonly request: ParsedRequest;
  /** The body that was stamped. */
  readonly body: Uint8Array;
  readonly deploymentId: Uint8Array;
  /** The requester's organization, 16 bytes. */
  readonly organization: Uint8Array;
  /** Null where an organization is founded: there is nobody yet who could agree. */
  readonly requester: Caller | null;
  /** Milliseconds: every approval is in force at each of them. */
  readonly times: readonly number[];
  readonly read: AuthorityReader;
}

/** The approvals that the request carries. Throws KmsError approval-invalid, `field` naming the one that does not count. */
export function approvalsOf(input: ApprovalInput): readonly Approval[] {
  const { approvals } = input.request;
  if (approvals.length === 0) return [];
  if (input.requester === null) throw invalid('approvals[0]', 'nobody is there yet who could agree');
  const subject = approvalSubject(input.organization, requesterOf(input.requester), input.body);
  const counted: Approval[] = [];
  for (const [index, encoded] of approvals.entries()) {
    const field = `approvals[${index}]`;
    const approval = approvalOf(input, subject, encoded, field);
    if (counted.some(({ keyHash }) => equalBytes(keyHash, approval.keyHash)))
      throw invalid(field, 'it is of a key that approved already');
    counted.push(approval);
  }
  return counted;
}

function approvalOf(input: ApprovalInput, subject: Uint8Array, encoded: Uint8Array, field: string): Approval {
  try {
    const raw = RawRequest.decode(encoded);
    if (raw.surface !== surfaceNative || raw.route !== routeRpc)
      throw invalid(field, 'it is no native request');
    const stamp = parseStamp(raw);
    if (stamp.kind !== 'native' || !equalBytes(stamp.deployment, input.deploymentId))
      throw invalid(field, 'it was stamped for another deployment');
    const parsed = parseRequest('native', 'rpc', raw.body);
    if (parsed.method !== 'approve' || parsed.organizationId !== input.request.organizationId)
      throw invalid(field, 'it is no approval of this organization');
    if (!equalBytes(parsed.params.subject, subject)) throw invalid(field, 'it approves something else');
    if (parsed.params.verdict !== 'approve') throw invalid(field, 'it says no');
    const caller = callerOf(input.read, stamp.keyHash);
    verifyStamp(stamp, raw.body, caller.authenticator);
    assertMayApprove(caller, field);
    for (const time of input.times) {
      assertInForce(caller, time);
      const age = time - stamp.created * 1000;
      if (age < -stampSkewSeconds * 1000) throw invalid(field, 'it lies in the future');
      if (age > parsed.params.expiresInMs) throw invalid(field, 'it has expired');
    }
    return {
      identity: requestIdentity(stamp, raw.body),
      keyHash: stamp.keyHash,
      username: caller.user.username,
      root: caller.user.root,
    };
  } catch (cause) {
    if (cause instanceof KmsError && cause.code === 'approval-invalid') throw cause;
    // A row that has to be fetched first is no verdict.
    if (!(cause instanceof KmsError) && !(cause instanceof RangeError)) throw cause;
    throw new KmsError('approval-invalid', {
      field,
      detail:
        cause instanceof KmsError ? `${field} does not count: ${cause.detail}` : `${field} is malformed`,
      cause,
    });
  }
}

function assertMayApprove({ authenticator }: Caller, field: string): void {
  const { actions, approvals } = authenticator.ceiling;
  if (approvals > 0 || (actions !== undefined && !actions.includes('approve')))
    throw invalid(field, 'the ceiling of its key does not reach so far');
}

/** Different root users besides the requester: who counts where a ceiling asks for approvals. */
export function rootApprovers(approvals: readonly Approval[], requester: string): number {
  if (approvals.length === 0) return 0;
  const users = approvals.filter(({ root, username }) => root && username !== requester);
  return new Set(users.map(({ username }) => username)).size;
}

/** Different users besides the requester: who counts where a policy asks for approvals. */
export function otherApprovers(approvals: readonly Approval[], requester: string): number {
  if (approvals.length === 0) return 0;
  return new Set(approvals.map(({ username }) => username).filter((name) => name !== requester)).size;
}

/** The refusal of a request with too few approvals. */
export function approvalRequired(needed: number, given: number, delaySeconds = 0): KmsError {
  return new KmsError('approval-required', {
    detail: `${needed} ${needed === 1 ? 'approval is' : 'approvals are'} needed, and ${given} given`,
    extra: {
      approvalsNeeded: needed,
      approvalsGiven: given,
      ...(delaySeconds === 0 ? {} : { delaySeconds }),
    },
  });
}

function invalid(field: string, detail: string): KmsError {
  return new KmsError('approval-invalid', { field, detail: `${field} does not count: ${detail}` });
}
