import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { zeroHash } from '@keystead/protocol/entry';
import type { GatewayOptions } from './gateway.ts';
import { bodyOf, json, rawExchange, type RunningGateway, runGateway } from './testing/running-gateway.ts';

const rpc = '/v1/wallets/kms/rpc';
const post = (body: string, more = '') =>
  `POST ${rpc} HTTP/1.1\r\nhost: x\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;

interface Full extends RunningGateway {
  /** Bodies that left for the enclaves. */
  readonly left: string[];
  /** Answers what has left, and from then on everything at once. */
  finish(): void;
}

/** A gateway with room for one caller, and that one waits. */
async function fullGateway(context: TestContext, options: Partial<GatewayOptions> = {}): Promise<Full> {
  const running = await runGateway(context, { limits: { callers: 1 }, ...options });
  const { policy } = running;
  const left: string[] = [];
  let refs: number[] = [];
  let finished = false;
  const answer = () => {
    const body = json('done');
    policy.send({
      type: 'answers',
      answers: refs.map((ref) => ({
        refs: [ref],
        answer: { identity: zeroHash, status: 200, body, signature: new Uint8Array(0) },
      })),
    });
    refs = [];
  };
  policy.react = (message) => {
    if (message.type !== 'requests') return;
    for (const item of message.items) {
      left.push(bodyOf(item));
      refs.push(item.ref);
    }
    if (finished) answer();
  };
  const first = running.post(rpc, 'first');
  await policy.next('requests');
  context.after(async () => void (await first).body?.cancel());
  const finish = () => {
    finished = true;
    answer();
  };
  context.after(finish);
  return { ...running, left, finish };
}

/** A connection on which requests are sent one by one; `answers` are whole heads and bodies. */
function connection(context: TestContext, port: number) {
  let read = '';
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  context.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    read += chunk.toString('latin1');
  });
  return {
    send: (bytes: string) => socket.write(bytes),
    /** The next answer; rejects when the connection ends before it. */
    async answer(): Promise<string> {
      for (;;) {
        const end = read.indexOf('\r\n\r\n') + 4;
        const length = Number(/\r\ncontent-length: ([0-9]+)/i.exec(read)?.[1] ?? 0);
        if (end >= 4 && read.length >= end + length) {
          const answer = read.slice(0, end + length);
          read = read.slice(end + length);
          return answer;
        }
        if (socket.destroyed) throw new Error(`ended after ${read}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    get silent(): boolean {
      return read === '' && !socket.destroyed;
    },
  };
}

const held = async ({ url }: RunningGateway) =>
  Number(/^keystead_gateway_held (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())![1]);

async function untilHeld(running: RunningGateway, count: number): Promise<void> {
  while ((await held(running)) !== count) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a refusal under load', () => {
  it('says 503, overloaded and when to come again, and leaves the connection open for that', async (context) => {
    const running = await fullGateway(context, { hold: { time: 20 } });
    const caller = connection(context, running.gateway.port);
    for (const body of ['second', 'third']) {
      caller.send(post(body));
      const [head, text] = (await caller.answer()).split('\r\n\r\n') as [string, string];
      assert.match(head, /^HTTP\/1\.1 503 /);
      assert.match(head, /\r\nretry-after: 1\r\n/i);
      assert.doesNotMatch(head, /\r\nconnection: close/i);
      const stated = JSON.parse(text) as Record<string, unknown>;
      assert.equal(stated.code, 'overloaded');
      assert.equal(stated.requestId, /\r\nx-request-id: (\S+)/i.exec(head)![1]);
      for (const member of ['type', 'title', 'detail', 'message', 'error', 'hint'])
        assert.equal(typeof stated[member], 'string', member);
    }
    running.finish();
    caller.send(post('fourth'));
    assert.match(await caller.answer(), /^HTTP\/1\.1 200 /);
    assert.deepEqual(running.left, ['first', 'fourth']);
  });

  for (const [when, time] of [
    ['while its refusal is held', 1000],
    ['after its refusal left', 0],
  ] as const)
    it(`takes no part of a refused body for a request, when it arrives ${when}`, async (context) => {
      const running = await fullGateway(context, { hold: { time } });
      const caller = connection(context, running.gateway.port);
      const hidden = post('hidden');
      const whole = post(hidden);
      const bodyAt = whole.length - hidden.length;
      caller.send(whole.slice(0, bodyAt));
      if (time === 0) assert.match(await caller.answer(), /^HTTP\/1\.1 503 /);
      else await untilHeld(running, 1);
      caller.send(whole.slice(bodyAt, bodyAt + 10));
      caller.send(whole.slice(bodyAt + 10));
      if (time > 0) assert.match(await caller.answer(), /^HTTP\/1\.1 503 /);
      running.finish();
      assert.equal((await running.post(rpc, 'shown')).status, 200);
      assert.deepEqual(running.left, ['first', 'shown']);
    });

  it('ends the connection when the body that would have to be read is long', async (context) => {
    const running = await fullGateway(context);
    const answer = await rawExchange(running.gateway.port, post('x'.repeat(250_000)));
    assert.match(answer, /^HTTP\/1\.1 503 /);
    assert.match(answer, /\r\nconnection: close\r\n/i);
    assert.match(answer, /"code":"overloaded"/);
  });

  it('does not hide what is wrong with a head', async (context) => {
    const running = await fullGateway(context);
    for (const more of ['host: y\r\n', 'transfer-encoding: chunked\r\n'])
      assert.match(await rawExchange(running.gateway.port, post('x', more)), /^HTTP\/1\.1 400 /, more);
    assert.deepEqual(running.left, ['first']);
  });

  it('is held back for a bounded number of callers, and not for those above', async (context) => {
    const running = await fullGateway(context, { hold: { time: 3_600_000, refusals: 2 } });
    const { port } = running.gateway;
    const waiting = [connection(context, port), connection(context, port)];
    for (const [index, caller] of waiting.entries()) {
      caller.send(post('flood'));
      await untilHeld(running, index + 1);
    }
    const above = connection(context, port);
    above.send(post('flood'));
    assert.match(await above.answer(), /^HTTP\/1\.1 503 /);
    assert.ok(waiting.every(({ silent }) => silent));
    // Whoever is not refused is served while others are held.
    running.finish();
    assert.equal((await running.post(rpc, 'other')).status, 200);
    assert.ok(waiting.every(({ silent }) => silent));
    // And a gateway that is stopped owes nobody an answer.
    const stopped = running.gateway.stop(1000);
    for (const caller of waiting) assert.match(await caller.answer(), /^HTTP\/1\.1 503 /);
    await stopped;
  });

  it('leaves by itself after its time', async (context) => {
    const running = await fullGateway(context, { hold: { time: 100 } });
    const callers = Array.from({ length: 20 }, () => connection(context, running.gateway.port));
    for (const caller of callers) caller.send(post('flood'));
    for (const caller of callers) assert.match(await caller.answer(), /^HTTP\/1\.1 503 /);
    assert.equal(await held(running), 0);
  });
});
