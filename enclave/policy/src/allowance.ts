import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import type { EnclaveContext } from '@keystead/enclave-runtime/program';
import { answerRolePolicy } from '@keystead/protocol/answer';
import { resultDigestOf, signStatements, statementVersion } from '@keystead/protocol/answer-signature';
import { allowedResult, isBackupMethod } from '@keystead/protocol/backup-permit';
import type { HeldTicket } from './batch.ts';
import type { KnownEntry } from './organization.ts';
import type { Pending } from './pending.ts';

/**
 * The ticket of a request about a backup, with the policy engine's own statement that it allowed it: a keeper acts on that and on
 * the signer's, so that neither of the two permits alone (spec/backup.md §3). Signed by itself and with the entry's time, so that the
 * same request is given the same bytes again.
 */
export function withAllowance(
  context: Pick<EnclaveContext, 'signSeed' | 'deploymentId'>,
  pending: Pick<Pending, 'identity' | 'request'>,
  { entry, hash }: KnownEntry,
  held: HeldTicket,
): HeldTicket {
  if (!isBackupMethod(pending.request.method)) return held;
  const [allowed] = signStatements(context.signSeed, [
    {
      version: statementVersion,
      role: answerRolePolicy,
      deployment: context.deploymentId,
      identity: pending.identity,
      status: 200,
      resultDigest: resultDigestOf(200, allowedResult),
      organization: held.organization.id,
      position: entry.position,
      head: hash,
      time: entry.time,
    },
  ]);
  const display = utf8Encode(canonicalize({ allowed: base64urlEncode(allowed!) }));
  return { ...held, ticket: { ...held.ticket, display } };
}
