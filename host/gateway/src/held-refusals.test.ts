import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connection, fullGateway, post, rpc } from './testing/full-gateway.ts';
import { rawExchange, type RunningGateway } from './testing/running-gateway.ts';

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
