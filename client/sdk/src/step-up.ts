import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { approvalSubject } from '@keystead/protocol/approval';
import { parseUuid } from '@keystead/protocol/ids';
import type { Client, VerifiedAnswer } from './client.ts';
import { AnsweredError, KmsError } from './errors.ts';
import type { NativeMethod, ParamsOf, ResultOf } from './native-calls.ts';
import { throwIfAborted } from './throw-if-aborted.ts';

/**
 * Requests that need the consent of others, or time in which somebody can say no (spec/approval.md): sent, waited for, and sent again with
 * the approvals that were given.
 */

/** What a request waits for. */
export interface Waiting {
  readonly organizationId: string;
  readonly method: NativeMethod;
  readonly params: Readonly<Record<string, unknown>>;
  /** What others approve or reject. */
  readonly subject: string;
  /** How many others have yet to agree, as far as the refusal says. */
  readonly approvalsMissing: number;
  /** From when on it passes, with a delay; milliseconds since 1970. */
  readonly releaseAt: number | undefined;
  /** The refusal, for a step-up that gives up: it rejects with this. */
  readonly refusal: AnsweredError;
}

/** Gets consent, or waits for it: resolves when it is worth looking again; what it rejects with ends the call. */
export type StepUp = (waiting: Waiting, signal?: AbortSignal) => Promise<void>;

export interface StepUpCallOptions {
  /**
   * Left away, what others have already said is collected once, and the refusal is the answer when that is too little: the same
   * method and parameters can be called again later.
   */
  readonly stepUp?: StepUp | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds since 1970. */
  readonly clock?: (() => number) | undefined;
  /** Told of each refusal before anything else is done about it. */
  readonly refused?: (waiting: Waiting) => Promise<void>;
}

/** As `client.callVerified`, with the consent of others where it is asked for. Throws KmsError, and what `stepUp` throws. */
export async function callWithStepUp<M extends NativeMethod>(
  client: Client,
  method: M,
  params: ParamsOf<M>,
  options: StepUpCallOptions = {},
): Promise<VerifiedAnswer<ResultOf<M>>> {
  const { signal, stepUp = giveUp, clock = Date.now, refused } = options;
  const call = signal === undefined ? {} : { signal };
  for (let approvals: readonly string[] = []; ; ) {
    let waiting: Waiting;
    try {
      return await client.callVerified(method, params, {
        ...call,
        ...(approvals.length === 0 ? {} : { approvals }),
      });
    } catch (error) {
      const waits = waitingOf(error, method, params as Readonly<Record<string, unknown>>);
      if (waits === undefined) throw error;
      waiting = waits;
    }
    await refused?.(waiting);
    // Approvals that were attached in vain are not sent a second time.
    const before = approvals;
    approvals = await consentTo(client, waiting, before, { stepUp, signal, clock });
  }
}

/** The approvals with which it is worth sending the request again; none when somebody said no, which the deployment then states. */
async function consentTo(
  client: Client,
  waiting: Waiting,
  before: readonly string[],
  { stepUp, signal, clock }: { stepUp: StepUp; signal: AbortSignal | undefined; clock: () => number },
): Promise<readonly string[]> {
  for (;;) {
    throwIfAborted(signal);
    const said = await verdictsOn(client, waiting, clock());
    if (said.isRejected) return [];
    const isReleased = waiting.releaseAt === undefined || clock() >= waiting.releaseAt;
    const needed = before.length + waiting.approvalsMissing;
    const isEnough = said.approvals.length >= needed;
    if (isReleased && isEnough) return said.approvals;
    await stepUp({ ...waiting, approvalsMissing: Math.max(0, needed - said.approvals.length) }, signal);
  }
}

async function verdictsOn(client: Client, { organizationId, subject }: Waiting, now: number) {
  try {
    const { approvals: found } = await client.call('getApprovals', { organizationId, subject });
    const verdicts = found[0]?.verdicts ?? [];
    return {
      isRejected: found[0]?.rejectedBy !== undefined,
      approvals: verdicts
        .filter(({ verdict, expiresAtMs }) => verdict === 'approve' && Date.parse(expiresAtMs) > now)
        .map(({ approval }) => approval),
    };
  } catch (error) {
    if (!(error instanceof KmsError) || error.code !== 'approval-not-found') throw error;
    return { isRejected: false, approvals: [] };
  }
}

/** What the refusal says is waited for; undefined when it is another one, or of a host that nobody stands behind. */
function waitingOf(
  error: unknown,
  method: NativeMethod,
  params: Readonly<Record<string, unknown>>,
): Waiting | undefined {
  if (!(error instanceof AnsweredError) || !error.stated) return undefined;
  if (error.code !== 'approval-required' && error.code !== 'delay-required') return undefined;
  const { subject, approvalsNeeded = 0, approvalsGiven = 0, releaseAtMs } = error.extra ?? {};
  const { requestedBy, requestedByAuthenticator } = error.extra ?? {};
  const { organizationId } = params;
  const organization = typeof organizationId === 'string' ? parseUuid(organizationId) : undefined;
  // No subject is open where the request came without one: on the way to the compatibility surface, or too many are open.
  if (subject === undefined || organization === undefined) return undefined;
  // Who asks is the key that stamped, as the deployment names it: consent to another requester serves nobody here.
  const requester = { username: String(requestedBy), authenticatorId: String(requestedByAuthenticator) };
  const own = approvalSubject(organization, requester, utf8Encode(JSON.stringify({ method, params })));
  // Others would agree to something else than what this call asks for.
  if (subject !== base64urlEncode(own))
    throw new KmsError('answer-unverified', { detail: 'The subject is not that of the request.' });
  return {
    organizationId: organizationId as string,
    method,
    params,
    subject,
    approvalsMissing: Math.max(0, Number(approvalsNeeded) - Number(approvalsGiven)),
    releaseAt: typeof releaseAtMs === 'string' ? Date.parse(releaseAtMs) : undefined,
    refusal: error,
  };
}

const giveUp: StepUp = async ({ refusal }) => {
  throw refusal;
};

export interface ApproveWithOptions {
  /** How long each approval counts, in milliseconds; ten minutes unless given. */
  readonly expiresInMs?: number;
  /** Asked before each approval; false ends the call with the refusal. */
  readonly confirm?: (waiting: Waiting) => Promise<boolean> | boolean;
}

const tenMinutes = 600_000;

/**
 * Approves with other authenticators that are at hand, such as a passkey, in their order and as many as are missing. They have to be of
 * other users than the requester (spec/approval.md §2). A delay is not waited for: the refusal ends the call, which can be made again.
 */
export function approveWith(approvers: readonly Client[], options: ApproveWithOptions = {}): StepUp {
  const { expiresInMs = tenMinutes, confirm } = options;
  const used = new Map<string, number>();
  return async (waiting, signal) => {
    const { organizationId, subject, approvalsMissing, refusal } = waiting;
    const from = used.get(subject) ?? 0;
    const asked = approvers.slice(from, from + approvalsMissing);
    if (asked.length === 0) throw refusal;
    used.set(subject, from + asked.length);
    for (const approver of asked) {
      if ((await confirm?.(waiting)) === false) throw refusal;
      const approval = { organizationId, subject, verdict: 'approve', expiresInMs } as const;
      await approver.call('approve', approval, signal === undefined ? {} : { signal });
    }
  };
}

export interface WaitForOthersOptions {
  /** Milliseconds between two looks; 5,000 unless given. */
  readonly every?: number;
  /** Told before each pause: to show what is waited for, or to tell the others where to look. */
  readonly onWaiting?: (waiting: Waiting) => void;
}

const fiveSeconds = 5000;

/** Looks again now and then, until the others have agreed, one of them says no, or the call's signal ends it. */
export function waitForOthers({ every = fiveSeconds, onWaiting }: WaitForOthersOptions = {}): StepUp {
  return (waiting, signal) => {
    onWaiting?.(waiting);
    return pause(every, signal);
  };
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal);
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    const abort = () => {
      clearTimeout(timer);
      signal!.removeEventListener('abort', abort);
      try {
        throwIfAborted(signal);
      } catch (reason) {
        reject(reason);
      }
    };
    signal?.addEventListener('abort', abort);
  });
}
