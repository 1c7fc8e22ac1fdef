import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { zeroHash } from '@keystead/protocol/entry';
import { RawRequest } from '@keystead/protocol/frames';
import { bodyOf, json, rawExchange, type RunningGateway, runGateway } from './testing/running-gateway.ts';

const rpc = '/v1/wallets/kms/rpc';

/** Answers every request at once, by ref alone. */
function answerAtOnce({ policy }: RunningGateway): void {
  policy.react = (message) => {
    if (message.type !== 'requests') return;
    const answers = message.items.map(({ ref }) => ({
      refs: [ref],
      answer: { identity: zeroHash, status: 200, body: json('done'), signature: new Uint8Array(0) },
    }));
    policy.send({ type: 'answers', answers });
  };
}

const requestsOf = ({ policy }: RunningGateway) => policy.messages.filter(({ type }) => type === 'requests');
const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code;

describe('head of a request', () => {
  it('passes every stamp header on as it came, whatever the spelling of its name', async (context) => {
    const running = await runGateway(context);
    answerAtOnce(running);
    const headers = {
      'SIGNATURE-input': 'keystead=("@method");a="b"',
      signature: 'keystead=:AA==:',
      'Content-Digest': 'sha-256=:x:',
      'keystead-deployment': 'd',
      'Keystead-Origin': 'https://a.example',
      'keystead-seen': 'none',
      'x-phantom-stamp': 'stamp',
    };
    assert.equal((await running.post('/v1/rpc', 'body', headers)).status, 200);
    const [message] = requestsOf(running);
    assert.ok(message?.type === 'requests');
    assert.deepEqual(RawRequest.decode(message.items[0]!.request), {
      surface: 1,
      route: 1,
      path: '/v1/rpc',
      signatureInput: 'keystead=("@method");a="b"',
      signature: 'keystead=:AA==:',
      contentDigest: 'sha-256=:x:',
      deployment: 'd',
      origin: 'https://a.example',
      seen: 'none',
      phantomStamp: 'stamp',
      body: new Uint8Array(Buffer.from('body')),
    });
  });

  it('refuses a stamp header that stands twice', async (context) => {
    const running = await runGateway(context);
    for (const name of [
      'x-phantom-stamp',
      'signature',
      'signature-input',
      'content-digest',
      'keystead-seen',
    ]) {
      const bytes = `POST ${rpc} HTTP/1.1\r\nhost: x\r\n${name}: a\r\n${name.toUpperCase()}: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}`;
      const answer = await rawExchange(running.gateway.port, bytes);
      assert.match(answer, /^HTTP\/1\.1 400 /, name);
      assert.match(answer, /"code":"stamp-malformed"/, name);
    }
    assert.equal(requestsOf(running).length, 0);
  });

  it('refuses headers that are too long, one alone and all together', async (context) => {
    const running = await runGateway(context);
    answerAtOnce(running);
    const stamp = 'x'.repeat(16384);
    assert.equal((await running.post(rpc, '{}', { 'x-phantom-stamp': stamp })).status, 200);
    assert.equal((await running.post(rpc, '{}', { 'x-phantom-stamp': `${stamp}x` })).status, 400);
    const long = `POST ${rpc} HTTP/1.1\r\nhost: x\r\nx-filler: ${'y'.repeat(60_000)}\r\n\r\n`;
    assert.match(await rawExchange(running.gateway.port, long), /^HTTP\/1\.1 431 /);
    assert.equal(requestsOf(running).length, 1);
  });

  it('refuses a query, a content coding and another spelling of the path', async (context) => {
    const running = await runGateway(context);
    assert.equal(await codeOf(await running.post(`${rpc}?a=b`, '{}')), 'request-malformed');
    assert.equal(
      await codeOf(await running.post(rpc, '{}', { 'content-encoding': 'gzip' })),
      'not-supported',
    );
    for (const path of ['/v1/%72pc', '/v1/rpc/', '/V1/rpc', '//v1/rpc', '/v1/rpc;a'])
      assert.equal((await running.post(path, '{}')).status, 404, path);
    assert.equal(requestsOf(running).length, 0);
  });

  it('takes bodies of any content type up to 256 KiB, and none above', async (context) => {
    const running = await runGateway(context);
    answerAtOnce(running);
    const body = 'x'.repeat(262_144);
    for (const type of ['application/json', 'text/plain', 'multipart/form-data', 'nonsense'])
      assert.equal((await running.post(rpc, body, { 'content-type': type })).status, 200, type);
    const response = await running.post(rpc, `${body}x`);
    assert.equal(response.status, 413);
    assert.equal(await codeOf(response), 'request-too-large');
    assert.equal(requestsOf(running).length, 4);
  });
});

describe('bytes that are no single request', () => {
  const body = '{"a":1}';
  const head = `POST ${rpc} HTTP/1.1\r\nhost: x\r\n`;
  const smuggled = `POST ${rpc} HTTP/1.1\r\nhost: x\r\ncontent-length: 7\r\n\r\n{"b":2}`;
  const corpus: Record<string, string> = {
    'length and transfer coding': `${head}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n7\r\n${body}\r\n0\r\n\r\n${smuggled}`,
    'two lengths': `${head}content-length: 7\r\ncontent-length: 0\r\n\r\n${body}`,
    'a list of lengths': `${head}content-length: 7, 7\r\n\r\n${body}`,
    'a signed length': `${head}content-length: +7\r\n\r\n${body}`,
    'a hexadecimal length': `${head}content-length: 0x7\r\n\r\n${body}`,
    'a chunk extension': `${head}transfer-encoding: chunked\r\n\r\n7;a=b\r\n${body}\r\n0\r\n\r\n`,
    'a plain chunked body': `${head}transfer-encoding: chunked\r\n\r\n7\r\n${body}\r\n0\r\n\r\n`,
    'an unknown transfer coding': `${head}transfer-encoding: xchunked\r\n\r\n${body}`,
    'a space before the colon': `${head}content-length : 7\r\n\r\n${body}`,
    'a folded header': `${head}x-a: b\r\n c\r\ncontent-length: 7\r\n\r\n${body}`,
    'a bare line feed': `POST ${rpc} HTTP/1.1\nhost: x\ncontent-length: 7\n\n${body}`,
    'a bare carriage return': `${head}x-a: b\rx-b: c\r\ncontent-length: 7\r\n\r\n${body}`,
    'a NUL in a header': `${head}x-a: b\0c\r\ncontent-length: 7\r\n\r\n${body}`,
    'no host': `POST ${rpc} HTTP/1.1\r\ncontent-length: 7\r\n\r\n${body}`,
    'two hosts': `${head}host: y\r\ncontent-length: 7\r\nconnection: close\r\n\r\n${body}`,
    'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'a TLS hello': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    nothing: '\0\0\0\0\0\0\0\0\0\0\r\n\r\n',
  };
  for (const [name, bytes] of Object.entries(corpus))
    it(`gets 400 and passes nothing on: ${name}`, async (context) => {
      const running = await runGateway(context);
      answerAtOnce(running);
      const answer = await rawExchange(running.gateway.port, Buffer.from(bytes, 'latin1'));
      assert.match(answer, /^HTTP\/1\.1 400 /);
      assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1);
      assert.equal(requestsOf(running).length, 0);
    });

  it('passes the same request on when it is written properly', async (context) => {
    const running = await runGateway(context);
    answerAtOnce(running);
    const answer = await rawExchange(
      running.gateway.port,
      `${head}connection: close\r\ncontent-length: 7\r\n\r\n${body}`,
    );
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.equal(requestsOf(running).length, 1);
  });

  const closing: Record<string, string> = {
    'no host': `POST ${rpc} HTTP/1.1\r\ncontent-length: 0\r\n\r\n`,
    'no host and a route that reads': 'GET /openapi.json HTTP/1.1\r\n\r\n',
    'two hosts': `${head}host: y\r\ncontent-length: 0\r\n\r\n`,
    'a transfer coding': `${head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    'a body above the limit': `${head}content-length: 262145\r\n\r\n${'x'.repeat(262_145)}`,
    close: `${head}content-length: 0\r\nconnection: close\r\n\r\n`,
  };
  for (const [name, bytes] of Object.entries(closing))
    for (const chunks of ['one chunk', 'two chunks'])
      it(`takes no request on a connection that it said it closes: ${name}, in ${chunks}`, async (context) => {
        const running = await runGateway(context);
        answerAtOnce(running);
        const hidden = smuggled.repeat(3);
        const sent = chunks === 'one chunk' ? [`${bytes}${hidden}`] : [bytes, hidden];
        const answer = await rawExchange(running.gateway.port, sent);
        assert.ok((answer.match(/HTTP\/1\.1 /g)?.length ?? 0) <= 1, answer);
        // What was taken left for the policy engine before this one.
        assert.equal((await running.post(rpc, 'the control')).status, 200);
        const bodies = requestsOf(running).flatMap((message) =>
          message.type === 'requests' ? message.items.map(bodyOf) : [],
        );
        assert.deepEqual(bodies, name === 'close' ? ['', 'the control'] : ['the control']);
      });

  it('takes the second of two requests when the first keeps the connection', async (context) => {
    const running = await runGateway(context);
    answerAtOnce(running);
    const closes = smuggled.replace('content-length', 'connection: close\r\ncontent-length');
    const answer = await rawExchange(running.gateway.port, `${smuggled}${closes}`);
    assert.equal(answer.match(/HTTP\/1\.1 200/g)?.length, 2);
  });

  it('writes no answer to bad bytes while an earlier request on the connection has none', async (context) => {
    const running = await runGateway(context, { patience: 500 });
    const answer = await rawExchange(
      running.gateway.port,
      `${head}content-length: 7\r\n\r\n${body}BAD BYTES\r\n\r\n`,
    );
    assert.equal(answer, '');
    assert.equal(requestsOf(running).length, 1);
  });
});

describe('slow callers', () => {
  it('closes connections whose headers or body do not arrive in time, and serves others meanwhile', async (context) => {
    const running = await runGateway(context, { timeouts: { headers: 200, request: 400 } });
    answerAtOnce(running);
    const slow = [
      rawExchange(running.gateway.port, `POST ${rpc} HTTP/1.1\r\nhost: x\r\nx-a:`, 10_000),
      rawExchange(
        running.gateway.port,
        `POST ${rpc} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{`,
        10_000,
      ),
    ];
    assert.equal((await running.post(rpc, '{}')).status, 200);
    for (const answer of await Promise.all(slow)) assert.match(answer, /^HTTP\/1\.1 408 |^$/);
    assert.equal(requestsOf(running).length, 1);
  });

  it('goes on when a caller leaves before its answer', async (context) => {
    const running = await runGateway(context);
    const bytes = `POST ${rpc} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}`;
    const socket = connect(running.gateway.port, '127.0.0.1', () => socket.write(bytes));
    const [item] = (await running.policy.next('requests')).items;
    socket.destroy();
    const answer = { identity: zeroHash, status: 200, body: json('gone'), signature: new Uint8Array(0) };
    running.policy.send({ type: 'answers', answers: [{ refs: [item!.ref], answer }] });
    answerAtOnce(running);
    assert.equal((await running.post(rpc, '{}')).status, 200);
  });
});

describe('routes', () => {
  it('answers unknown routes with 404 and wrong methods with 405, each with a request id', async (context) => {
    const { url } = await runGateway(context);
    const unknown = await fetch(`${url}/v2/rpc`, { method: 'POST', body: 'x' });
    const wrong = await fetch(`${url}/v1/rpc`);
    const wrongRead = await fetch(`${url}/healthz`, { method: 'DELETE' });
    assert.deepEqual([unknown.status, wrong.status, wrongRead.status], [404, 405, 405]);
    assert.equal(wrong.headers.get('allow'), 'POST, OPTIONS');
    for (const response of [unknown, wrong, wrongRead]) {
      const body = (await response.json()) as Record<string, unknown>;
      assert.equal(body.requestId, response.headers.get('x-request-id'));
      for (const member of ['type', 'title', 'detail', 'message', 'error', 'code'])
        assert.equal(typeof body[member], 'string', member);
    }
  });

  it('answers a preflight with the headers that clients send', async (context) => {
    const { url } = await runGateway(context);
    const response = await fetch(`${url}${rpc}`, {
      method: 'OPTIONS',
      headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' },
    });
    assert.equal(response.status, 204);
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    const allowed = response.headers.get('access-control-allow-headers')!.split(', ');
    for (const name of [
      'x-phantom-stamp',
      'x-rpc-method',
      'authorization',
      'signature-input',
      'content-digest',
    ])
      assert.ok(allowed.includes(name), name);
    assert.equal(response.headers.get('access-control-allow-credentials'), null);
  });

  it('says in healthz whether every enclave answers', async (context) => {
    const running = await runGateway(context);
    const healthy = await fetch(`${running.url}/healthz`);
    assert.equal(healthy.status, 200);
    assert.match(healthy.headers.get('content-type')!, /^text\/plain/);
    running.signer.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const ill = await fetch(`${running.url}/healthz`);
    assert.deepEqual([ill.status, await codeOf(ill)], [503, 'unavailable']);
  });

  it('shows counters, and the figures that the enclaves state', async (context) => {
    const running = await runGateway(context);
    answerAtOnce(running);
    await running.post(rpc, '{"secret":"text"}', { 'x-phantom-stamp': 'stamp' });
    await fetch(`${running.url}/a"b`);
    const text = await (await fetch(`${running.url}/metrics`)).text();
    assert.match(
      text,
      /^keystead_gateway_requests_total\{route="\/v1\/wallets\/kms\/rpc",status="200"\} 1$/m,
    );
    assert.match(text, /^keystead_gateway_requests_total\{route="other",status="404"\} 1$/m);
    assert.match(text, /^keystead_enclave_figure\{role="signer",name="peer\.pings"\} [0-9]+$/m);
    for (const line of text.trim().split('\n'))
      assert.match(
        line,
        /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$/,
      );
    assert.ok(!text.includes('secret') && !text.includes('stamp'));
  });

  it('gives out the OpenAPI document, and the deployment once it exists', async (context) => {
    const running = await runGateway(context);
    const document = (await (await fetch(`${running.url}/openapi.json`)).json()) as { paths: object };
    assert.ok('/v1/rpc' in document.paths);
    assert.equal((await fetch(`${running.url}/v1/deployment`)).status, 503);
    writeFileSync(join(running.home, 'deployment.json'), '{"deploymentId":"abc","keys":{}}');
    const deployment = await fetch(`${running.url}/v1/deployment`);
    assert.deepEqual(await deployment.json(), {
      deploymentId: 'abc',
      keys: {},
      profile: 'development',
      networks: [],
    });
  });
});
