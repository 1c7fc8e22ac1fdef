import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { approvalSubject } from '@keystead/protocol/approval';
import { parseUuid } from '@keystead/protocol/ids';
import type { Client } from './client.ts';
import { AnsweredError, type ErrorCode, KmsError } from './errors.ts';
import { approveWith, callWithStepUp, type StepUp, waitForOthers } from './step-up.ts';

/** What the deployment does with consent is tested with it (tests/seedless, tests/policies); here is what the caller makes of it. */

const organizationId = '9a1c8f0e-0000-8000-8000-000000000001';
const params = { organizationId, username: 'bob' };
const requester = { username: 'ann', authenticatorId: '9a1c8f0e-0000-8000-8000-000000000002' };
const by = { requestedBy: requester.username, requestedByAuthenticator: requester.authenticatorId };
const subject = base64urlEncode(
  approvalSubject(
    parseUuid(organizationId)!,
    requester,
    utf8Encode(JSON.stringify({ method: 'deleteUserFromOrganization', params })),
  ),
);

interface Verdict {
  readonly by: string;
  readonly verdict: 'approve' | 'reject';
  readonly expiresAtMs: string;
}

const later = '2100-01-01T00:00:00.000Z';

/** A deployment that refuses until `passes`, and keeps what approvers say. */
class Scripted {
  readonly verdicts: Verdict[] = [];
  readonly sent: (readonly string[])[] = [];
  passes: (approvals: readonly string[]) => boolean = (approvals) => approvals.length > 0;
  code: ErrorCode = 'approval-required';
  extra: Record<string, unknown> = { ...by, subject, approvalsNeeded: 1, approvalsGiven: 0 };
  stated = true;
  gone = false;

  client(by = 'requester'): Client {
    const call = async (method: string, _: unknown, { approvals = [] as readonly string[] } = {}) => {
      if (method === 'approve')
        return void this.verdicts.push({ by, verdict: 'approve', expiresAtMs: later });
      if (method === 'getApprovals' && this.gone) throw new KmsError('approval-not-found', {});
      if (method === 'getApprovals')
        return {
          approvals: [
            {
              verdicts: this.verdicts.map((one) => ({ ...one, approval: one.by })),
              ...(this.verdicts.some(({ verdict }) => verdict === 'reject') ? { rejectedBy: 'x' } : {}),
            },
          ],
        };
      this.sent.push(approvals);
      if (this.passes(approvals)) return { result: 'done' };
      throw new AnsweredError(this.code, { stated: this.stated, extra: this.extra });
    };
    return { call, callVerified: call } as unknown as Client;
  }

  ask(stepUp?: StepUp, options: { signal?: AbortSignal; clock?: () => number } = {}) {
    return callWithStepUp(this.client(), 'deleteUserFromOrganization', params, { stepUp, ...options });
  }
}

const failsWith = (code: ErrorCode) => (error: unknown) => error instanceof KmsError && error.code === code;

test('what others have said is attached to the same request; without a step-up too little of it is the refusal', async () => {
  const world = new Scripted();
  await assert.rejects(world.ask(), failsWith('approval-required'));
  world.verdicts.push({ by: 'old', verdict: 'approve', expiresAtMs: '2020-01-01T00:00:00.000Z' });
  await assert.rejects(world.ask(), failsWith('approval-required'));
  world.verdicts.push({ by: 'bob', verdict: 'approve', expiresAtMs: later });
  assert.deepEqual(await world.ask(), { result: 'done' });
  assert.deepEqual(world.sent, [[], [], [], ['bob']]);
});

test('as many approvers are asked as are missing, and no longer than there are some', async () => {
  const world = new Scripted();
  world.extra = { ...by, subject, approvalsNeeded: 2, approvalsGiven: 0 };
  world.passes = (approvals) => approvals.length === 2;
  const approvers = ['bob', 'eve', 'joe'].map((by) => world.client(by));
  assert.deepEqual(await world.ask(approveWith(approvers)), { result: 'done' });
  assert.deepEqual(world.sent.at(-1), ['bob', 'eve']);

  // Approvals that do not count, such as the requester's own: each is asked once, and then it is over.
  const vain = new Scripted();
  vain.passes = () => false;
  await assert.rejects(
    vain.ask(approveWith([vain.client('bob'), vain.client('eve')])),
    failsWith('approval-required'),
  );
  assert.deepEqual(vain.sent, [[], ['bob'], ['bob', 'eve']]);
});

test('a no of another user ends the call with what the deployment says to it', async () => {
  const world = new Scripted();
  world.verdicts.push({ by: 'bob', verdict: 'reject', expiresAtMs: later });
  world.passes = () => {
    if (world.sent.length > 1) throw new AnsweredError('approval-rejected', { stated: true });
    return false;
  };
  await assert.rejects(world.ask(waitForOthers({ every: 0 })), failsWith('approval-rejected'));
});

test('a subject of another request is agreed to by nobody', async () => {
  const world = new Scripted();
  const asked: string[] = [];
  const stepUp = approveWith([world.client('bob')], { confirm: ({ method }) => asked.push(method) > 0 });
  world.extra = { ...world.extra, subject: base64urlEncode(new Uint8Array(32)) };
  await assert.rejects(world.ask(stepUp), failsWith('answer-unverified'));
  assert.deepEqual([asked, world.verdicts], [[], []]);
  world.extra = { ...world.extra, ...by, requestedBy: 'ben', subject };
  await assert.rejects(world.ask(stepUp), failsWith('answer-unverified'));
  assert.deepEqual([asked, world.verdicts], [[], []]);
  world.extra = { ...world.extra, ...by, subject };
  await world.ask(stepUp);
  assert.deepEqual([asked, world.verdicts.length], [['deleteUserFromOrganization'], 1]);
});

test('a refusal that only the host says is not acted on', async () => {
  const world = new Scripted();
  world.stated = false;
  await assert.rejects(world.ask(approveWith([world.client('bob')])), failsWith('approval-required'));
  assert.deepEqual(world.verdicts, []);
});

test('a delay is waited for until its time, and a call that is aborted ends', async () => {
  let now = Date.parse('2030-01-01T00:00:00.000Z');
  const releaseAt = now + 60_000;
  const world = new Scripted();
  Object.assign(world, { code: 'delay-required', gone: true });
  world.extra = { ...by, subject, releaseAtMs: new Date(releaseAt).toISOString() };
  world.passes = () => now >= releaseAt;
  const looks: number[] = [];
  const passing: StepUp = async ({ releaseAt: at, approvalsMissing }) => {
    assert.deepEqual([at, approvalsMissing], [releaseAt, 0]);
    looks.push(now);
    now += 25_000;
  };
  const clock = () => now;
  await assert.rejects(world.ask(approveWith([world.client('bob')]), { clock }), failsWith('delay-required'));
  assert.deepEqual(await world.ask(passing, { clock }), { result: 'done' });
  assert.equal(looks.length, 3);
  assert.equal(world.sent.length, 3, 'it is not sent again before its time');

  now = releaseAt - 1;
  const stopping = new AbortController();
  const waiting = world.ask(waitForOthers({ onWaiting: () => stopping.abort(new Error('enough')) }), {
    clock,
    signal: stopping.signal,
  });
  await assert.rejects(waiting, /enough/);
});
