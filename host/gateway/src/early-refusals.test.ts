import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { connection, type Full, fullGateway, post, rpc } from './testing/full-gateway.ts';

async function early({ url }: Full): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^keystead_gateway_events_total\{event="shed-early"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** A connection of a full gateway whose next plain request is refused on its bytes. */
async function flooding(context: TestContext, time = 0) {
  const running = await fullGateway(context, { hold: { time } });
  const caller = connection(context, running.gateway.port);
  const answers: string[] = [];
  for (const body of ['one', 'two']) {
    caller.send(post(body));
    answers.push(await caller.answer());
  }
  assert.equal(await early(running), 0);
  return { running, caller, answers };
}

const withoutIdAndDate = (answer: string): string =>
  answer.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID').replace(/\r\ndate: [^\r]*/i, '\r\nDATE');

describe('a refusal on the bytes of a request', () => {
  it('says to the byte what every other refusal says', async (context) => {
    const { running, caller, answers } = await flooding(context);
    caller.send(post('three'));
    const answer = await caller.answer();
    assert.equal(await early(running), 1);
    assert.equal(withoutIdAndDate(answer), withoutIdAndDate(answers[0]!));
    const ids = answer.match(/[0-9a-f]{8}-[0-9a-f-]{27}/g)!;
    assert.equal(ids.length, 2);
    assert.equal(ids[0], ids[1]);
    assert.notEqual(ids[0], /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(answers[0]!)![0]);
    assert.match(answer, /\r\nDate: [A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT\r\n/);
  });

  it('leaves the connection as it was: the next request is served when there is room', async (context) => {
    const { running, caller } = await flooding(context);
    for (const body of ['three', 'four']) {
      caller.send(post(body));
      assert.match(await caller.answer(), /^HTTP\/1\.1 503 /);
    }
    assert.equal(await early(running), 2);
    running.finish();
    caller.send(post('served'));
    assert.match(await caller.answer(), /^HTTP\/1\.1 200 /);
    assert.deepEqual(running.left, ['first', 'served']);
  });

  it('is held back as others are, and leaves before the answer to what its caller sends meanwhile', async (context) => {
    const { running, caller } = await flooding(context, 300);
    caller.send(post('three'));
    while ((await early(running)) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    running.finish();
    caller.send(post('four'));
    assert.match(await caller.answer(), /^HTTP\/1\.1 503 /);
    assert.match(await caller.answer(), /^HTTP\/1\.1 200 /);
    assert.deepEqual(running.left, ['first', 'four']);
  });

  it('leaves at once when the gateway closes', async (context) => {
    const { running, caller } = await flooding(context, 300);
    caller.send(post('three'));
    while ((await early(running)) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const stopped = running.gateway.stop(1000);
    assert.match(await caller.answer(), /^HTTP\/1\.1 503 /);
    running.finish();
    await stopped;
  });

  const hidden = post('hidden');
  const cases: readonly (readonly [what: string, parts: readonly string[], statuses: readonly number[]])[] = [
    ['the head of a request', [`POST ${rpc} HTTP/1.1\r\nx-more: `, hidden], [503]],
    [
      'a body behind a head whose end is cut',
      [post(hidden).slice(0, -hidden.length - 1), `\n${hidden}`],
      [503],
    ],
    ['bytes behind another request', [`${post('four')}${hidden.slice(0, 30)}`, hidden.slice(30)], [503, 503]],
  ];
  for (const [what, parts, statuses] of cases)
    it(`is given to no bytes that are ${what}, although they look like a request`, async (context) => {
      const { running, caller } = await flooding(context);
      caller.send(post('three'));
      await caller.answer();
      const before = await early(running);
      for (const part of parts) {
        caller.send(part);
        // It arrives as a piece of its own.
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      for (const status of statuses)
        assert.match(await caller.answer(), new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(await early(running), before);
      running.finish();
      // Nothing of it stays behind: the connection answers the next request, and no other.
      caller.send(post('shown'));
      assert.match(await caller.answer(), /^HTTP\/1\.1 200 /);
      assert.deepEqual(running.left, ['first', 'shown']);
    });

  it('is given to no bytes of a body that comes after its head was refused', async (context) => {
    const { running, caller } = await flooding(context);
    caller.send(post('three'));
    await caller.answer();
    const whole = post(hidden);
    caller.send(whole.slice(0, -hidden.length));
    assert.match(await caller.answer(), /^HTTP\/1\.1 503 .*\r\nconnection: close\r\n/is);
    running.finish();
    caller.send(hidden);
    await assert.rejects(caller.answer());
    assert.equal(await early(running), 1);
    assert.deepEqual(running.left, ['first']);
  });

  const unusual: readonly (readonly [bytes: string, status: number])[] = [
    [post('x', 'host: y\r\n'), 400],
    [post('x', 'transfer-encoding: chunked\r\n'), 400],
    [post('x', 'transfer-encoding : chunked\r\n'), 400],
    [post('x', 'content-length: 1\r\n'), 400],
    [post('x', ' folded: 1\r\n'), 400],
    [post('x', 'x-more: 1\n'), 400],
    [post('x', 'connection: close\r\n'), 503],
    [post('x', 'content-encoding: gzip\r\n'), 400],
    [post('x', 'signature-input: a\r\nsignature-input: b\r\n'), 400],
    [post('x').replace(rpc, '/nowhere'), 404],
    [post('x').replace(rpc, `${rpc}?a`), 400],
    [post('x').replace('POST', 'PUT'), 405],
    [post('x').replace('HTTP/1.1', 'HTTP/1.0'), 503],
    [post('x'.repeat(20_000)), 503],
  ];
  for (const [bytes, status] of unusual)
    it(`leaves to the parser and the usual checks: ${JSON.stringify(bytes.slice(0, 90))}`, async (context) => {
      const { running, caller } = await flooding(context);
      caller.send(bytes);
      assert.match(await caller.answer(), new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(await early(running), 0);
      assert.deepEqual(running.left, ['first']);
    });
});
