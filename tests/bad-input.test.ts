import { withStack } from './with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, errorCodes, isErrorCode } from '@keystead/protocol/errors';
import { methodNames } from '@keystead/protocol/method-table';
import { type AcceptedRequest, acceptedRequests, pathOf } from './accepted-requests.ts';
import { FAULT_KINDS, type FaultKind, type FaultyRequest, faulty, randomFrom } from './faults.ts';
import { nativeStamp, pkiStamp, post, type RawClient, utf8 } from './raw-client.ts';

const SEED = Number(process.env.KEYSTEAD_TEST_SEED ?? 20_261_120);
const TOTAL = 10_700;
const IN_FLIGHT = 16;

let client: RawClient;
let organizationId: string;
let accepted: AcceptedRequest[];

const running = withStack({ settings: { compatibilityImport: true } }, async (running) => {
  ({ client, organizationId } = await running.organization());
  accepted = await acceptedRequests(running, client, organizationId);
});

/** What is refused at this moment, whatever is right about it. */
const REFUSED: Readonly<Record<string, string>> = {
  getOrCreatePhantomOrganization: 'not-supported',
  getPhantomOrganization: 'not-supported',
  completeWalletTransfer: 'not-supported',
  completeRecovery: 'recovery-too-early',
};

/** Codes that a fault of each kind may have. */
const EXPECTED: Readonly<Record<FaultKind, readonly string[]>> = {
  schema: [
    'parameter-invalid',
    'request-malformed',
    'method-unknown',
    'not-supported',
    'typed-data-malformed',
    'derivation-path-invalid',
    'network-not-configured',
  ],
  type: ['parameter-invalid', 'request-malformed', 'not-supported', 'typed-data-malformed'],
  stamp: [
    'stamp-missing',
    'stamp-malformed',
    'stamp-invalid',
    'stamp-expired',
    'deployment-mismatch',
    'authenticator-unknown',
    'public-key-unacceptable',
    'not-supported',
    'root-required',
    'possession-proof-invalid',
  ],
  json: ['json-malformed', 'request-malformed'],
  size: ['request-too-large', 'parameter-invalid', 'request-malformed', 'method-unknown', 'not-supported'],
  depth: ['json-malformed'],
  encoding: ['json-malformed', 'parameter-invalid', 'request-malformed', 'not-supported', 'not-found'],
};

async function refused(given: FaultyRequest, method: string): Promise<ErrorCode> {
  const answer = await post(`${running.api}${given.path}`, given.body, given.headers).catch(
    (error: Error) => {
      throw new Error(`${method}, ${given.kind}, ${given.fault}: ${error.message}`, { cause: error });
    },
  );
  const what = `${method}, ${given.kind}, ${given.fault}: ${answer.status} ${answer.text.slice(0, 300)}`;
  const { body } = answer;
  assert.ok(answer.status >= 400 && answer.status < 500, what);
  assert.ok(body !== undefined && isErrorCode(String(body.code)), what);
  const code = body.code as ErrorCode;
  assert.equal(answer.status, errorCodes[code].status, what);
  assert.ok(EXPECTED[given.kind].includes(code), what);
  assert.equal(body.type, code, what);
  for (const member of ['title', 'detail', 'message', 'error', 'requestId'])
    assert.ok(typeof body[member] === 'string' && body[member] !== '', `${member}: ${what}`);
  return code;
}

test(`${TOTAL} faulty requests: each gets a 4xx with a stable code, and nothing changes`, async (t) => {
  t.diagnostic(`seed ${SEED}; another with KEYSTEAD_TEST_SEED`);
  const maker = { key: client.key, deploymentId: running.stack.deploymentId, random: randomFrom(SEED) };
  const processes = [...running.stack.processes];
  const before = running.digest();
  const counts = new Map<string, number>();
  const codes = new Map<string, number>();
  const problems: string[] = [];
  let next = 0;
  const worker = async () => {
    while (next < TOTAL && problems.length < 20) {
      const index = next++;
      const method = methodNames[index % methodNames.length]!;
      const round = Math.floor(index / methodNames.length);
      const kind = FAULT_KINDS[round % FAULT_KINDS.length]!;
      // Either surface after all kinds of fault on the other one.
      const surface = Math.floor(round / FAULT_KINDS.length) % 2 === 0 ? 'compatibility' : 'native';
      const own = accepted.filter((one) => one.method === method);
      const onSurface = own.filter((one) => one.surface === surface);
      const bases = onSurface.length > 0 ? onSurface : own;
      const base = bases[maker.random(bases.length)]!;
      const given = faulty(maker, base, kind);
      counts.set(method, (counts.get(method) ?? 0) + 1);
      try {
        const code = await refused(given, `${base.surface} ${method}`);
        codes.set(code, (codes.get(code) ?? 0) + 1);
      } catch (error) {
        problems.push((error as Error).message);
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  assert.deepEqual(problems, []);
  assert.ok(Math.min(...counts.values()) >= 200, 'at least 200 of each method');
  assert.equal(counts.size, methodNames.length);
  t.diagnostic([...codes].map(([code, count]) => `${code} ${count}`).join(', '));
  assert.deepEqual(running.digest(), before);
  assert.deepEqual([...running.stack.processes], processes, 'no process ended');
});

// Afterwards: nothing has changed, so these are the requests that the faults were put into.
test('without a fault each of the same requests is accepted, and changes what is stored', async () => {
  const before = running.digest();
  assert.deepEqual(
    methodNames.filter((method) => !accepted.some((one) => one.method === method)),
    [],
  );
  const refusals: string[] = [];
  for (const one of accepted) {
    const hasTime = one.surface === 'compatibility' && one.route === 'rpc';
    const body = utf8(JSON.stringify(hasTime ? { ...one.request, timestampMs: Date.now() } : one.request));
    const { deploymentId } = running.stack;
    const { key = client.key } = one;
    const headers =
      one.surface === 'native'
        ? nativeStamp(key, { path: pathOf(one), body, deploymentId })
        : { 'x-phantom-stamp': pkiStamp(key, body) };
    const answer = await post(`${running.api}${pathOf(one)}`, body, headers);
    const what = `${one.surface} ${one.method} (${one.name}): ${answer.text.slice(0, 400)}`;
    const refusal = REFUSED[one.method];
    const isRight = refusal === undefined ? answer.status === 200 : answer.body?.code === refusal;
    if (!isRight) refusals.push(what);
  }
  assert.deepEqual(refusals, []);
  const after = running.digest();
  assert.notEqual(after.rows, before.rows);
  assert.notEqual(after.heads, before.heads);
});
