import { equalBytes } from '@keystead/crypto/bytes';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { answerRolePolicy, answerRoleSigner } from '@keystead/protocol/answer';
import { verifyAnswer } from '@keystead/protocol/answer-signature';
import type { BackupCall } from '@keystead/protocol/backup-messages';
import { allowedResult, type BackupMethod, isBackupMethod } from '@keystead/protocol/backup-permit';
import { routeRpc, surfaceNative } from '@keystead/protocol/frames';
import { parseUuid } from '@keystead/protocol/ids';
import { type ParsedRequestOf, parseRequest } from '@keystead/protocol/request';
import { parseStamp, requestIdentity, verifySelfStamp } from '@keystead/protocol/stamp';
import { BackupRefusal } from './refusal.ts';
import type { BackupSettings } from './settings.ts';

/** A request that the deployment's policy engine states to have allowed, and its signer to have passed every check. */
export interface Permit {
  readonly request: { [M in BackupMethod]: ParsedRequestOf<M> }[BackupMethod];
  /** 16 bytes. */
  readonly organization: Uint8Array;
  /** Of its entry, the certifier's; milliseconds. */
  readonly time: number;
  /** Of its entry in the chain of the organization. */
  readonly position: number;
}

/** How old an entry may be when it is acted on. */
export const permitLifetimeMilliseconds = 60_000;
const clockToleranceMilliseconds = 10_000;

/** spec/backup.md §3: what the request says, when policy engine and signer both stated it. Throws BackupRefusal. */
export function permitOf(
  call: BackupCall,
  circumstances: {
    readonly deployment: NonNullable<BackupSettings['deployment']>;
    /** The session key that the call came with. */
    readonly session: Uint8Array;
    readonly now: number;
  },
): Permit {
  const { deployment, session, now } = circumstances;
  const { request: raw, signature, allowed } = call;
  if (raw.surface !== surfaceNative || raw.route !== routeRpc) throw new BackupRefusal('permit-refused');
  let permit: Permit;
  try {
    const stamp = parseStamp(raw);
    // The signer has checked it; a passkey's takes its leaf, which is not here.
    if (!stamp.webauthn && !verifySelfStamp(stamp, raw.body)) throw new BackupRefusal('permit-refused');
    const answer = {
      deploymentKeys: deployment.keys,
      currentKeys: deployment.current,
      deploymentId: deployment.id,
      identity: requestIdentity(stamp, raw.body),
      status: 200,
    };
    const body = { permitted: true, allowed: base64urlEncode(allowed) };
    const statement = verifyAnswer({ ...answer, signature, body });
    const allowance = verifyAnswer({ ...answer, signature: allowed, body: allowedResult });
    if (allowance.role !== answerRolePolicy) throw new BackupRefusal('permit-refused');
    // Of one decision: neither role can take the other's word about another entry.
    if (
      allowance.position !== statement.position ||
      !equalBytes(allowance.organization, statement.organization)
    )
      throw new BackupRefusal('permit-refused');
    if (statement.role !== answerRoleSigner) throw new BackupRefusal('permit-refused');
    const request = parseRequest('native', 'rpc', raw.body);
    const organization = parseUuid(request.organizationId ?? '');
    if (organization === undefined || !equalBytes(organization, statement.organization))
      throw new BackupRefusal('permit-refused');
    if (!isOfBackup(request)) throw new BackupRefusal('permit-refused');
    permit = { request, organization, time: statement.time, position: statement.position };
  } catch (cause) {
    if (cause instanceof BackupRefusal) throw cause;
    throw new BackupRefusal('permit-refused', { cause });
  }
  if (permit.time < now - permitLifetimeMilliseconds || permit.time > now + clockToleranceMilliseconds)
    throw new BackupRefusal('permit-expired');
  // Whoever else has seen request and answer has another key, or a message that it cannot read the answer to.
  if (!equalBytes(permit.request.params.session, session)) throw new BackupRefusal('session-other');
  return permit;
}

function isOfBackup(request: { readonly method: string }): request is Permit['request'] {
  return isBackupMethod(request.method);
}
