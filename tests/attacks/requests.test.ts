/** Attacks on the authentication of requests, ids A1 to A15 of docs/threat-model.md. */
import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type RawRequest, routePrepare, routeSimulations, type ToSigner } from '@keystead/protocol/frames';
import { InProcess } from '../core/in-process.ts';
import { nativeStamp, newStampKey, pkiStamp, post, type RawClient, utf8 } from '../raw-client.ts';
import {
  accepted,
  Attacked,
  bodyText,
  Caller,
  compatibilityRequest,
  founding,
  keypair,
  nativeRequest,
  refused,
  SOLANA,
  SURFACES,
  withMovedClock,
} from './attacked.ts';
import { acceptedOddities, duplicates, malformedDocuments } from './json-cases.ts';

let client: RawClient;
let organizationId: string;
const running = withStack({}, async (running) => {
  ({ client, organizationId } = await running.organization());
});

test('A1 replaying a stamped request at once, later and after every process was killed signs it once', async () => {
  const attacked = await Attacked.found();
  const { stack } = attacked;
  for (const surface of SURFACES) {
    const request = attacked.signing(surface);
    const before = await attacked.entries();
    const first = accepted(await stack.submit(request));
    for (const answer of await Promise.all(Array.from({ length: 8 }, () => stack.submit(request))))
      assert.deepEqual(accepted(answer), first);
    stack.restart();
    assert.deepEqual(accepted(await stack.submit(request)), first);
    assert.equal(await attacked.entries(), before + 1);
    // The control: the same call under another nonce, or of another time, is another request.
    const body = Buffer.from(request.body).toString();
    accepted(
      await stack.submit(
        surface === 'native'
          ? attacked.stamped('native', body)
          : attacked.stamped(
              surface,
              body.replace(/("timestampMs":\d+)\d/, (all, kept) => `${kept}${all.endsWith('1') ? 2 : 1}`),
            ),
      ),
    );
    assert.equal(await attacked.entries(), before + 2);
  }
});

test('A1 replaying a stamped request after its time is refused, also where the answer is known', async () => {
  for (const [surface, window] of [
    ['native', 61_000],
    ['compatibility', 301_000],
  ] as const) {
    const { stack, moved } = withMovedClock();
    const attacked = await Attacked.found(stack);
    const request = attacked.signing(surface);
    const first = accepted(await stack.submit(request));
    moved.by = window - 3000;
    assert.deepEqual(accepted(await stack.submit(request)), first, 'the control: within its time');
    moved.by = window;
    refused(await stack.submit(request), 'stamp-expired', surface);
    // Engines never go behind the newest time that they stated.
    stack.restart();
    refused(await stack.submit(request), 'stamp-expired', surface);
  }
});

test('A2 sending a stamp to another path, organization or deployment is refused', async () => {
  const [attacked, elsewhere] = await Promise.all([Attacked.found(), Attacked.found()]);
  const { stack } = attacked;
  const sameKey = await Attacked.found(new InProcess({ log: () => {} }), attacked.key);
  await attacked.unchangedBy(async () => {
    const native = attacked.signing('native');
    const moves: [string, RawRequest, string][] = [
      ['path', { ...native, path: '/v1/wallets/kms/rpc' }, 'stamp-invalid'],
      ['deployment header', { ...native, deployment: elsewhere.deploymentId }, 'deployment-mismatch'],
      ['origin', { ...native, origin: 'https://attacker.example' }, 'stamp-invalid'],
      ['seen', { ...native, seen: `${attacked.organizationId};0;${'A'.repeat(43)}` }, 'stamp-invalid'],
      ['no deployment', { ...native, deployment: undefined }, 'stamp-malformed'],
      ['surface', { ...native, surface: 2, path: '/v1/wallets/kms/rpc' }, 'stamp-missing'],
    ];
    for (const [what, request, code] of moves) refused(await stack.submit(request), code, what);
    for (const surface of SURFACES) {
      const request = attacked.signing(surface);
      const body = Buffer.from(request.body).toString();
      const moved = utf8(body.replace(attacked.organizationId, elsewhere.organizationId));
      refused(await stack.submit({ ...request, body: moved }), ['stamp-invalid', 'authenticator-unknown']);
      refused(
        await sameKey.stack.submit(request),
        surface === 'native' ? 'deployment-mismatch' : 'authenticator-unknown',
        `${surface} in a deployment where the same key has an organization`,
      );
    }
    const compatibility = attacked.signing('compatibility');
    for (const route of [routePrepare, routeSimulations])
      refused(await stack.submit({ ...compatibility, route }), 'parameter-invalid', `route ${route}`);
  });
});

test('A2 founding an organization again with its stamp in another deployment founds another one', async () => {
  const key = newStampKey();
  const callers = [0, 1].map(() => new Caller(new InProcess({ log: () => {} }), key));
  const [here, there] = callers as [Caller, Caller];
  // A compatibility stamp names no deployment; the id of what it founds does.
  const request = here.request('compatibility', 'createOrganization', founding(key));
  const founded = accepted(await here.stack.submit(request));
  const again = accepted(await there.stack.submit(request));
  assert.notEqual(again.organizationId, founded.organizationId);
  assert.deepEqual(accepted(await here.stack.submit(request)), founded, 'the control: here it is a replay');
});

test('A3 stamping with a time outside the window or with no plain number for a time is refused', async () => {
  const attacked = await Attacked.found();
  const { stack, key, deploymentId } = attacked;
  await attacked.unchangedBy(async () => {
    const body = utf8(bodyText('native', 'signUtf8Message', attacked.message()));
    const now = Math.floor(Date.now() / 1000);
    const times: [created: unknown, expires: unknown, code: string][] = [
      [now - 61, now - 1, 'stamp-expired'],
      [now - 3600, now, 'stamp-expired'],
      [now + 62, now + 122, 'stamp-expired'],
      [now, now + 61, 'stamp-expired'],
      [now, now - 1, 'stamp-expired'],
      [253_402_300_799, 253_402_300_799, 'stamp-expired'],
      [now, 253_402_300_799, 'stamp-expired'],
      ...[-1, 1.5, `"${now}"`, `0${now}`, `+${now}`, 1e21, 0, '', 'now', `${now}000000`].flatMap(
        (time): [unknown, unknown, string][] => [
          [time, now + 60, 'stamp-malformed'],
          [now, time, 'stamp-malformed'],
        ],
      ),
    ];
    for (const [created, expires, code] of times) {
      const stamp = { created: created as number, expires: expires as number };
      refused(
        await stack.submit(nativeRequest(key, deploymentId, body, stamp)),
        code,
        `${created} ${expires}`,
      );
    }
    const text = bodyText('compatibility', 'signUtf8Message', attacked.message(), 77);
    const at = (time: unknown) => utf8(text.replace('"timestampMs":77', `"timestampMs":${time}`));
    for (const [time, code] of [
      [Date.now() - 301_000, 'stamp-expired'],
      [Date.now() + 303_000, 'stamp-expired'],
      [253_402_300_799_000, 'stamp-expired'],
      [0, 'stamp-expired'],
      [-1, 'request-malformed'],
      [1.5, 'request-malformed'],
      [`"${Date.now()}"`, 'request-malformed'],
      ['null', 'request-malformed'],
      [`[${Date.now()}]`, 'request-malformed'],
      ['1e400', 'json-malformed'],
      [`0${Date.now()}`, 'json-malformed'],
    ])
      refused(await stack.submit(compatibilityRequest(key, at(time))), code as string, `timestampMs ${time}`);
  });
  // The control: the edges of both windows.
  const now = Math.floor(Date.now() / 1000);
  for (const created of [now - 50, now + 59]) {
    const body = utf8(bodyText('native', 'signUtf8Message', attacked.message()));
    accepted(
      await stack.submit(nativeRequest(key, deploymentId, body, { created })),
      `created ${created - now}`,
    );
  }
  for (const off of [-299_000, 299_000]) {
    const text = bodyText('compatibility', 'signUtf8Message', attacked.message(), Date.now() + off);
    accepted(await stack.submit(attacked.stamped('compatibility', text)), `timestampMs ${off}`);
  }
});

test('A4 stamping JSON that parsers read differently is refused: duplicate members, encodings, numbers, depth', async (t) => {
  const attacked = await Attacked.found();
  const { stack } = attacked;
  let count = 0;
  for (const surface of SURFACES) {
    await attacked.unchangedBy(async () => {
      const text = bodyText(surface, 'signUtf8Message', attacked.message());
      for (const [name, body] of [...malformedDocuments(text), ...duplicates(text)]) {
        refused(await stack.submit(attacked.stamped(surface, body)), 'json-malformed', `${surface}, ${name}`);
        count += 1;
      }
    });
    // The control: unusual, but read in one way by every parser.
    for (const [name, body] of acceptedOddities(bodyText(surface, 'signUtf8Message', attacked.message())))
      accepted(await stack.submit(attacked.stamped(surface, body)), `${surface}, ${name}`);
  }
  // What makes duplicates hostile: an ordinary parser takes them, and picks one.
  const taken = duplicates('{"params":{"message":"m"}}').filter(([, body]) =>
    JSON.parse(Buffer.from(body).toString()),
  );
  assert.ok(taken.length >= 6);
  t.diagnostic(`${count} documents`);
});

test('E2 bytes of unknown meaning are signed for nobody before a root user permits it, on either surface', async () => {
  const attacked = await Attacked.found();
  const { stack, organizationId } = attacked;
  const all = await attacked.addUser('service');
  // 32 bytes would be refused as a digest, permitted or not.
  const payload = createHash('sha1').update('what nobody shows').digest('base64url');
  const { message: _, ...where } = attacked.message();
  const asked = (surface: 'native' | 'compatibility', by: Caller) =>
    by.request(surface, 'signRawPayload', { ...where, payload });
  for (const surface of SURFACES)
    for (const by of [attacked, all]) {
      const refusal = refused(await stack.submit(asked(surface, by)), 'raw-payload-not-permitted', surface);
      assert.equal(refusal.field, 'params.payload');
      assert.match(String(refusal.hint), /root user/);
    }
  // The switch has no place on the compatibility surface.
  const newPolicy = { type: 'ROOT', permissions: ['signRawPayload'] };
  const permit = { organizationId, username: 'root', newPolicy };
  refused(
    await stack.submit(attacked.request('compatibility', 'updateUserInOrganization', permit)),
    'parameter-invalid',
  );
  accepted(await stack.submit(attacked.request('native', 'updateUserInOrganization', permit)));
  for (const surface of SURFACES) {
    accepted(await stack.submit(asked(surface, attacked)), 'the control');
    refused(await stack.submit(asked(surface, all)), 'raw-payload-not-permitted', 'another user');
  }
});

test('A5 naming a user, wallet or organization by look-alike characters reaches nobody else', async () => {
  const attacked = await Attacked.found();
  const { organizationId } = attacked;
  await attacked.addUser('admin');
  const add = (surface: 'native' | 'compatibility', username: string) =>
    attacked.stack.submit(
      attacked.request(surface, 'addUserToOrganization', {
        organizationId,
        user: { username, policy: { type: 'CEL', preset: 'DENY_ALL' }, authenticators: [] },
      }),
    );
  // The same to the eye: zero width, bidirectional, soft hyphen, decomposed, white space, control.
  const invisible = [
    'ad\u200bmin',
    'admin\u200d',
    '\u202eadmin',
    '\u2066admin\u2069',
    'ad\u00admin',
    '\ufeffadmin',
    'admin\u0000',
    'admin ',
    ' admin',
    'admin\n',
    'a\u0301dmin',
    'admin\u2060',
    'admin\ufe0f',
    'admin\u3164',
    'admin\u2028',
  ];
  for (const surface of SURFACES) {
    for (const username of invisible)
      refused(await add(surface, username), 'parameter-invalid', `${surface} ${JSON.stringify(username)}`);
    refused(await add(surface, 'admin'), 'user-exists', 'the control');
    for (const id of [
      organizationId.replace('-', '\u2010'),
      organizationId.replaceAll('-', ''),
      `{${organizationId}}`,
      ` ${organizationId}`,
      organizationId.replace(/[0-9]/, (digit) => String.fromCharCode(0xff10 + Number(digit))),
      `${organizationId}\u0000`,
    ])
      refused(
        await attacked.stack.submit(attacked.request(surface, 'getOrganization', { organizationId: id })),
        'parameter-invalid',
        id,
      );
  }
  // Visible look-alikes are names of their own: the one does not act for the other.
  accepted(await add('native', '\u0430dmin'), 'Cyrillic');
  accepted(await add('compatibility', 'Admin'), 'another letter case');
  const authenticators = {
    username: '\u0430dmin',
    organizationId,
    authenticator: keypair('k', newStampKey()),
  };
  await attacked.result('compatibility', 'createAuthenticator', authenticators);
  assert.equal((await attacked.authenticators('\u0430dmin')).length, 1);
  assert.equal((await attacked.authenticators('admin')).length, 1);
});

test('A6 writing an amount as a JSON number that loses digits is refused', async () => {
  const attacked = await Attacked.found();
  const { stack, organizationId, wallet } = attacked;
  const contract = '0x00000000000000000000000000000000c0ffee00';
  const typedData = {
    types: {
      EIP712Domain: [
        { name: 'chainId', type: 'uint256' },
        { name: 'verifyingContract', type: 'address' },
      ],
      Order: [{ name: 'amount', type: 'uint256' }],
    },
    primaryType: 'Order',
    domain: { chainId: 1, verifyingContract: contract },
    message: { amount: '@' },
  };
  const derivationInfo = {
    derivationPath: "m/44'/60'/0'/0/0",
    curve: 'Secp256k1',
    addressFormat: 'Ethereum',
  };
  const params = { organizationId, walletId: wallet.walletId, typedData, derivationInfo };
  const hostile = [
    '9007199254740993',
    '12345678901234567890',
    '1e400',
    '1.0',
    '0.1',
    '1e18',
    '-0',
    '1e21',
    '+1',
    '0x10',
  ];
  // The control: what keeps its digits is decided on, whatever the decision.
  const decided = async (request: RawRequest) => {
    const before = await attacked.entries();
    await stack.submit(request);
    assert.equal(await attacked.entries(), before + 1, Buffer.from(request.body).toString());
  };
  for (const surface of SURFACES) {
    const typed = (amount: string) =>
      attacked.stamped(surface, bodyText(surface, 'ethereumSignTypedData', params).replace('"@"', amount));
    for (const amount of hostile)
      refused(
        await stack.submit(typed(amount)),
        ['json-malformed', 'parameter-invalid', 'typed-data-malformed'],
        `${surface} ${amount}`,
      );
    for (const amount of ['"9007199254740993"', '"12345678901234567890"', '7']) await decided(typed(amount));
  }
  const transaction = {
    kind: 'EIP_1559',
    chainId: 11155111,
    nonce: '0x0',
    maxFeePerGas: '1000',
    maxPriorityFeePerGas: '1',
    gasLimit: '21000',
    to: '0x9858effd232b4033e47d90003d41ec34ecaeda94',
    value: '@',
  };
  const transfer = (amount: string) =>
    attacked.stamped(
      'compatibility',
      bodyText('compatibility', 'signTransaction', {
        organizationId,
        walletId: wallet.walletId,
        transaction,
        derivationInfo,
      }).replace('"@"', amount),
    );
  for (const amount of hostile)
    refused(await stack.submit(transfer(amount)), ['json-malformed', 'parameter-invalid'], `value ${amount}`);
  await decided(transfer('"9007199254740993"'));
});

/** Headers of both surfaces over one body that makes a wallet. */
function wallets(name: string) {
  const params = { organizationId, walletName: name };
  const native = utf8(bodyText('native', 'createWallet', params));
  const compatibility = utf8(bodyText('compatibility', 'createWallet', params));
  const { deploymentId } = running.stack;
  return {
    native: {
      path: '/v1/rpc',
      body: native,
      headers: nativeStamp(client.key, { path: '/v1/rpc', body: native, deploymentId }),
    },
    compatibility: {
      path: '/v1/wallets/kms/rpc',
      body: compatibility,
      headers: { 'x-phantom-stamp': pkiStamp(client.key, compatibility) },
    },
  };
}

const walletCount = async () =>
  (await client.call<{ totalCount: number }>('getOrganizationWallets', { organizationId })).totalCount;

test('A7 stamping twice, in another place or on both surfaces at once is refused', async () => {
  const before = await walletCount();
  const { native, compatibility } = wallets('smuggled');
  const other = pkiStamp(newStampKey(), compatibility.body);
  const stamp = compatibility.headers['x-phantom-stamp'];
  const signature = native.headers.signature!;
  const attacks: [string, typeof native | typeof compatibility, Record<string, string | string[]>][] = [
    ['the same header twice', compatibility, { 'x-phantom-stamp': [stamp, stamp] }],
    ['a good one and a bad one', compatibility, { 'x-phantom-stamp': [stamp, other] }],
    ['a bad one and a good one', compatibility, { 'x-phantom-stamp': [other, stamp] }],
    ['joined by a comma', compatibility, { 'x-phantom-stamp': `${other}, ${stamp}` }],
    ['of the other surface beside it', compatibility, { ...native.headers, 'x-phantom-stamp': stamp }],
    ['Signature twice', native, { ...native.headers, signature: [signature, signature] }],
    ['two labels', native, { ...native.headers, signature: `${signature}, other=:AAAA:` }],
    ['Keystead-Seen twice', native, { ...native.headers, 'keystead-seen': ['none', 'none'] }],
    [
      'Content-Digest twice',
      native,
      { ...native.headers, 'content-digest': [native.headers['content-digest']!, 'sha-256=:AA==:'] },
    ],
    ['a compatibility stamp beside it', native, { ...native.headers, 'x-phantom-stamp': stamp }],
    ['in the query', compatibility, {}],
  ];
  for (const [what, { path, body }, headers] of attacks) {
    const query = what === 'in the query' ? `?x-phantom-stamp=${stamp}` : '';
    const answer = await post(`${running.api}${path}${query}`, body, headers);
    assert.ok([400, 401].includes(answer.status), `${what}: ${answer.status} ${answer.text}`);
    assert.match(String(answer.body?.code), /^(stamp-malformed|request-malformed|stamp-missing)$/, what);
  }
  const line = `Host: k\r\nContent-Length: ${compatibility.body.length}`;
  const cased = (name: string) =>
    `POST ${compatibility.path} HTTP/1.1\r\n${line}\r\nx-phantom-stamp: ${stamp}\r\n${name}: ${other}`;
  for (const name of ['X-PHANTOM-STAMP', 'X-Phantom-Stamp', 'x-phantom-stamP']) {
    const text = await exchange(
      Buffer.concat([utf8(`${cased(name)}\r\n\r\n`), compatibility.body]),
      (answered) => answered.includes('"code"'),
    );
    assert.match(text, /^HTTP\/1\.1 400 /, name);
    assert.match(text, /"code":"stamp-malformed"/, name);
  }
  for (const surface of SURFACES) {
    const body = utf8(
      bodyText(surface, 'createWallet', { organizationId, walletName: 'in the body' }).replace(
        '{"method"',
        `{"stamp":"${stamp}","method"`,
      ),
    );
    const headers =
      surface === 'native'
        ? nativeStamp(client.key, { path: '/v1/rpc', body, deploymentId: running.stack.deploymentId })
        : { 'x-phantom-stamp': pkiStamp(client.key, body) };
    const answer = await post(
      `${running.api}${surface === 'native' ? native.path : compatibility.path}`,
      body,
      headers,
    );
    assert.equal(answer.body?.code, 'request-malformed');
  }
  assert.equal(await walletCount(), before);
  for (const { path, body, headers } of [native, compatibility])
    assert.equal((await post(`${running.api}${path}`, body, headers)).status, 200, 'the control');
  assert.equal(await walletCount(), before + 2);
});

/** Everything that the server writes to these bytes before it closes, or before `enough` holds. */
function exchange(bytes: Uint8Array, enough: (text: string) => boolean = () => false): Promise<string> {
  const { hostname, port } = new URL(running.api);
  return new Promise((done) => {
    let text = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    const end = () => {
      socket.destroy();
      done(text);
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (enough(text)) end();
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}

const statuses = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));

test('A8 hiding a second request behind lengths, chunks or line ends that servers read differently runs nothing', async () => {
  const before = await walletCount();
  const { compatibility } = wallets('hidden');
  const { body, headers, path } = compatibility;
  const stamp = `X-Phantom-Stamp: ${headers['x-phantom-stamp']}`;
  const hidden = Buffer.concat([
    utf8(`POST ${path} HTTP/1.1\r\nHost: k\r\n${stamp}\r\nContent-Length: ${body.length}\r\n\r\n`),
    body,
  ]);
  const outer = (head: string, rest: Uint8Array = hidden) =>
    Buffer.concat([utf8(`POST ${path} HTTP/1.1\r\nHost: k\r\n${head}\r\n\r\n`), rest]);
  const chunk = (text: string) => Buffer.concat([utf8(text), hidden]);
  const corpus: [string, Uint8Array][] = [
    [
      'CL.TE',
      outer(`Content-Length: ${hidden.length + 5}\r\nTransfer-Encoding: chunked`, chunk('0\r\n\r\n')),
    ],
    ['TE.CL', outer('Transfer-Encoding: chunked\r\nContent-Length: 4', chunk('5c\r\n'))],
    ['TE.TE', outer('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', chunk('0\r\n\r\n'))],
    ['two lengths', outer(`Content-Length: 0\r\nContent-Length: ${hidden.length}`)],
    ['a list of lengths', outer(`Content-Length: 0, ${hidden.length}`)],
    ['a length with a sign', outer('Content-Length: +0')],
    ['a negative length', outer('Content-Length: -1')],
    ['a length in hexadecimal', outer('Content-Length: 0x0')],
    ['a length beyond 2^64', outer('Content-Length: 18446744073709551616')],
    [
      'a space before the colon',
      outer(`Transfer-Encoding : chunked\r\nContent-Length: 0`, chunk('0\r\n\r\n')),
    ],
    ['an unknown coding', outer('Transfer-Encoding: xchunked\r\nContent-Length: 0')],
    ['a vertical tab in the coding', outer('Transfer-Encoding: \x0bchunked', chunk('0\r\n\r\n'))],
    ['a chunk extension', outer('Transfer-Encoding: chunked', chunk('0;a=b\r\n\r\n'))],
    ['a chunk size beyond 2^64', outer('Transfer-Encoding: chunked', chunk('10000000000000000\r\n'))],
    ['a folded header', outer('X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0')],
    [
      'bare line feeds',
      Buffer.from(outer('Content-Length: 0').toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
    ],
    ['a bare carriage return', outer('X-A: b\rContent-Length: 0\r\nContent-Length: 0')],
    ['a zero byte in a header', outer('X-A: b\0\r\nContent-Length: 0')],
    ['no host', Buffer.concat([utf8(`POST ${path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n`), hidden])],
    ['HTTP/2 in the clear', Buffer.concat([utf8('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), hidden])],
    ['HTTP/0.9', Buffer.concat([utf8(`POST ${path}\r\n`), hidden])],
  ];
  for (const [what, bytes] of corpus) {
    const text = await exchange(bytes, (answered) => statuses(answered).length >= 2);
    const [first, ...more] = statuses(text);
    assert.ok(first === undefined || (first >= 400 && first < 500), `${what}: ${text.slice(0, 200)}`);
    assert.ok(!more.includes(200), `${what}: a second request ran`);
  }
  const upgrade = `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\nContent-Length: 0`;
  const upgraded = await exchange(outer(upgrade, utf8('')), (text) => statuses(text).length > 0);
  assert.ok(!statuses(upgraded).includes(101) && !statuses(upgraded).includes(200), upgraded.slice(0, 200));
  assert.equal(await walletCount(), before);
  // The control: the same bytes behind a request that says how long it is.
  const plain = await exchange(
    outer('Content-Length: 2', chunk('{}')),
    (text) => statuses(text).length === 2,
  );
  assert.deepEqual(statuses(plain).slice(1), [200]);
  assert.equal(await walletCount(), before + 1);
});

test('A9 writing the same JSON in other bytes than the stamped ones is refused', async () => {
  const attacked = await Attacked.found();
  for (const surface of SURFACES) {
    await attacked.unchangedBy(async () => {
      const request = attacked.signing(surface);
      const text = Buffer.from(request.body).toString();
      const forms: [string, string][] = [
        ['indented', JSON.stringify(JSON.parse(text), null, 2)],
        ['a space at the end', `${text} `],
        ['a line end', `${text}\n`],
        [
          'members in another order',
          JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse())),
        ],
        ['an escape', text.replace('"method"', '"\\u006dethod"')],
        ['another message', text.replace('"message":"m', '"message":"M')],
      ];
      for (const [what, changed] of forms) {
        assert.notEqual(changed, text, what);
        const body = utf8(changed);
        refused(await attacked.stack.submit({ ...request, body }), 'stamp-invalid', `${surface}, ${what}`);
        if (surface === 'native') {
          // A middleware that also corrects the digest.
          const contentDigest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
          refused(await attacked.stack.submit({ ...request, body, contentDigest }), 'stamp-invalid', what);
        }
      }
    });
    // The control: the indented bytes themselves stamped.
    const text = JSON.stringify(
      JSON.parse(bodyText(surface, 'signUtf8Message', attacked.message())),
      null,
      2,
    );
    accepted(await attacked.stack.submit(attacked.stamped(surface, text)));
  }
});

test('A10 sending a compressed body is refused before it is read, however large it would become', async () => {
  const before = await walletCount();
  const { native, compatibility } = wallets('compressed');
  const bomb = gzipSync(Buffer.alloc(128 * 1024 * 1024), { level: 1 });
  for (const { path, body, headers } of [native, compatibility]) {
    for (const coding of [
      'gzip',
      'deflate',
      'br',
      'x-gzip',
      'gzip, gzip',
      'identity, gzip',
      'zstd',
      'GZIP',
    ]) {
      const answer = await post(`${running.api}${path}`, gzipSync(body), {
        ...headers,
        'content-encoding': coding,
      });
      assert.equal(answer.body?.code, 'not-supported', `${coding}: ${answer.text}`);
    }
    const plain = await post(`${running.api}${path}`, gzipSync(body), headers);
    assert.ok(plain.status === 400 || plain.status === 401, plain.text);
    // The server may close while the bomb is still being sent.
    const refusal = await post(`${running.api}${path}`, bomb, {
      ...headers,
      'content-encoding': 'gzip',
    }).catch(() => null);
    if (refusal !== null) assert.equal(refusal.body?.code, 'not-supported', refusal.text);
    const unnamed = await post(`${running.api}${path}`, bomb, headers).catch(() => null);
    if (unnamed !== null) assert.equal(unnamed.status, 413, unnamed.text);
  }
  assert.equal(await walletCount(), before);
  for (const { path, body, headers } of [native, compatibility]) {
    const answer = await post(`${running.api}${path}`, body, { ...headers, 'content-encoding': 'identity' });
    assert.equal(answer.status, 200, 'the control');
  }
});

test('A11 naming __proto__, constructor or prototype anywhere in a request permits nothing', async () => {
  const attacked = await Attacked.found();
  const { organizationId, stack } = attacked;
  const denied = await attacked.addUser('denied', { policy: { type: 'CEL', preset: 'DENY_ALL' } });
  const hostile = (name: string) => `"${name}":{"allow":true,"preset":"ALLOW_ALL","type":"ROOT"}`;
  for (const surface of SURFACES) {
    for (const name of [
      '__proto__',
      '\\u005f_proto__',
      'constructor',
      'prototype',
      'toString',
      'hasOwnProperty',
      '__defineGetter__',
    ]) {
      const policy = '"policy":{"type":"CEL","preset":"DENY_ALL"}';
      const user = `"user":{"username":"u","authenticators":[],${policy}}`;
      const params = `"params":{"organizationId":"${organizationId}",${user}}`;
      const time = surface === 'native' ? '' : `,"timestampMs":${Date.now()}`;
      const text = `{"method":"addUserToOrganization",${params}${time}}`;
      for (const place of ['"params":{', '"user":{', '"policy":{']) {
        const body = text.replace(place, `${place}${hostile(name)},`);
        refused(
          await stack.submit(attacked.stamped(surface, body)),
          ['json-malformed', 'parameter-invalid'],
          `${surface}, ${name} in ${place}`,
        );
      }
      refused(
        await stack.submit(attacked.stamped(surface, `{${hostile(name)},${text.slice(1)}`)),
        ['json-malformed', 'request-malformed'],
        name,
      );
    }
  }
  for (const method of ['constructor', '__proto__', 'toString', 'valueOf'])
    refused(await stack.submit(attacked.request('native', method, {})), 'method-unknown', method);
  // Where callers choose names, a name permits nothing.
  for (const name of ['constructor', 'toString', 'hasOwnProperty']) {
    const update = { organizationId, username: 'denied', addTraits: { [name]: 'ALLOW_ALL' } };
    await stack.submit(attacked.request('native', 'updateUserInOrganization', update));
  }
  assert.equal(({} as Record<string, unknown>).allow, undefined);
  refused(await stack.submit(attacked.signing('native', denied)), 'policy-denied', 'still denied');
  // The control: the change of policy that the attack pretends.
  const newPolicy = { type: 'CEL', preset: 'ALLOW_ALL' };
  await attacked.result('native', 'updateUserInOrganization', {
    organizationId,
    username: 'denied',
    newPolicy,
  });
  accepted(await stack.submit(attacked.signing('native', denied)));
});

test('A12 asking for a wallet or an organization of somebody else answers as if it did not exist', async () => {
  const attacked = await Attacked.found();
  const { stack, organizationId, wallet } = attacked;
  const attacker = await Attacked.found(stack);
  const own = attacker.organizationId;
  const absent = '00000000-0000-8000-8000-000000000000';
  const ethereum = { derivationPath: "m/44'/60'/0'/0/0", curve: 'Secp256k1', addressFormat: 'Ethereum' };
  const publicKey = Buffer.alloc(32, 9).toString('base64url');
  const typedData = {
    types: { EIP712Domain: [{ name: 'name', type: 'string' }], Mail: [{ name: 'contents', type: 'string' }] },
    primaryType: 'Mail',
    domain: { name: 'Mail' },
    message: { contents: 'x' },
  };
  const rlp = 'AuyDqjangAGCA-iCUgiUmFjv_SMrQDPkfZAAPUHsNOyu2pSIDeC2s6dkAACAwA';
  const grant = { targetOrganizationId: own, policy: { version: 'v0', scopes: ['owner'] } };
  type Call = [method: string, params: (organization: string, walletId: string) => Record<string, unknown>];
  const ofWallet =
    (more: Record<string, unknown> = {}) =>
    (organizationId: string, walletId: string) => ({
      organizationId,
      walletId,
      ...more,
    });
  const ofOwner =
    (more: Record<string, unknown> = {}) =>
    (ownerOrganizationId: string, walletId: string) => ({
      ownerOrganizationId,
      walletId,
      ...more,
    });
  const calls: Call[] = [
    ['getAccounts', ofWallet({ accounts: [SOLANA] })],
    ['signUtf8Message', ofWallet({ message: 'm', algorithm: 'Ed25519', derivationInfo: SOLANA })],
    ['signRawPayload', ofWallet({ payload: 'AAEC', algorithm: 'Ed25519', derivationInfo: SOLANA })],
    ['ethereumSignMessage', ofWallet({ message: 'aGk', derivationInfo: ethereum })],
    ['ethereumSignTypedData', ofWallet({ typedData, derivationInfo: ethereum })],
    ['signTransaction', ofWallet({ transaction: rlp, derivationInfo: ethereum })],
    ['exportWallet', ofWallet({ publicKey })],
    ['grantOrganizationAccess', ofOwner(grant)],
    ['revokeOrganizationAccess', ofOwner({ targetOrganizationId: organizationId })],
    ['transferOrganizationWallet', ofOwner({ targetOrganizationId: organizationId })],
  ];
  const ofOrganization: Call[] = [
    ['getOrganization', (organizationId) => ({ organizationId })],
    ['getOrganizationWallets', (organizationId) => ({ organizationId })],
    ['createWallet', (organizationId) => ({ organizationId, walletName: 'X' })],
    ['getOrCreateWalletWithTag', (organizationId) => ({ organizationId, walletName: 'X', tag: 't' })],
    ['getWalletWithTag', (organizationId) => ({ organizationId, tag: 't' })],
    ['initWalletImport', (organizationId) => ({ organizationId })],
    ['deleteUserFromOrganization', (organizationId) => ({ organizationId, username: 'root' })],
    ['listPendingMigrations', (organizationId) => ({ organizationId })],
  ];
  const refusalOf = async (
    by: Attacked,
    surface: 'native' | 'compatibility',
    [method, params]: Call,
    organization: string,
    walletId: string,
  ) => {
    const given = params(organization, walletId);
    if (surface === 'native' && method === 'signTransaction') given.chain = 'ethereum';
    const answer = await stack.submit(by.request(surface, method, given));
    assert.ok(answer.status >= 400, `${method} ${answer.status} ${JSON.stringify(answer.body)}`);
    const { requestId: _, trace, ...body } = answer.body as Record<string, unknown>;
    return { status: answer.status, body };
  };
  await attacked.unchangedBy(async () => {
    for (const surface of SURFACES) {
      for (const call of calls) {
        const what = `${surface} ${call[0]}`;
        const foreign = await refusalOf(attacker, surface, call, own, wallet.walletId);
        assert.deepEqual(foreign, await refusalOf(attacker, surface, call, own, absent), what);
        assert.notEqual(foreign.body.code, 'parameter-invalid', what);
      }
      for (const call of [...calls, ...ofOrganization]) {
        const what = `${surface} ${call[0]} in another organization`;
        const foreign = await refusalOf(attacker, surface, call, organizationId, wallet.walletId);
        assert.deepEqual(foreign, await refusalOf(attacker, surface, call, absent, wallet.walletId), what);
        assert.equal(foreign.body.code, 'authenticator-unknown', what);
      }
    }
  });
  // The control: its owner gets what the attacker asked for.
  await attacked.result('native', 'getAccounts', {
    organizationId,
    walletId: wallet.walletId,
    accounts: [SOLANA],
  });
  await attacked.result('native', 'getOrganization', { organizationId });
});

test('A13 assigning members that the caller does not own, such as role, id or times, is refused', async () => {
  const attacked = await Attacked.found();
  const { organizationId, stack } = attacked;
  const user = await attacked.addUser('plain', { policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' } });
  const extra = {
    isRoot: true,
    id: organizationId,
    createdAt: '2000-01-01',
    createdAtMs: 0,
    ceiling: null,
    owner: 'x',
    approved: true,
  };
  const calls: [string, string, Record<string, unknown>][] = [
    ['createWallet', 'params', { organizationId, walletName: 'X' }],
    ['signUtf8Message', 'params', attacked.message()],
    ['signUtf8Message', 'derivationInfo', attacked.message()],
    [
      'createAuthenticator',
      'authenticator',
      { organizationId, username: 'plain', authenticator: keypair('x', newStampKey()) },
    ],
    ['updateUserInOrganization', 'params', { organizationId, username: 'plain' }],
    [
      'updateUserInOrganization',
      'newPolicy',
      { organizationId, username: 'plain', newPolicy: { type: 'CEL', preset: 'DENY_ALL' } },
    ],
    ['getOrganization', 'params', { organizationId }],
  ];
  for (const surface of SURFACES) {
    for (const [method, place, params] of calls) {
      for (const [name, value] of Object.entries(extra)) {
        const inside = JSON.stringify({ [name]: value }).slice(1, -1);
        const body = bodyText(surface, method, params).replace(`"${place}":{`, `"${place}":{${inside},`);
        refused(
          await stack.submit(attacked.stamped(surface, body)),
          'parameter-invalid',
          `${surface} ${method}, ${name} in ${place}`,
        );
      }
    }
    const around = bodyText(surface, 'getOrganization', { organizationId }).replace('{', '{"isRoot":true,');
    refused(await stack.submit(attacked.stamped(surface, around)), 'request-malformed');
    // A user that makes itself root by the members that exist.
    const newPolicy = { type: 'ROOT' };
    refused(
      await stack.submit(
        user.request(surface, 'updateUserInOrganization', { organizationId, username: 'plain', newPolicy }),
      ),
      ['root-required', 'policy-denied'],
    );
    for (const [method, place, params] of calls)
      if (place === 'params' && method !== 'updateUserInOrganization')
        accepted(await stack.submit(attacked.request(surface, method, params)), `the control: ${method}`);
  }
});

test('A14 using a revoked or expired key is refused from the moment of the decision, in the same tick too', async () => {
  const { stack, moved } = withMovedClock();
  const attacked = await Attacked.found(stack);
  const { organizationId } = attacked;
  for (const surface of SURFACES) {
    const username = `revoked on ${surface}`;
    const user = await attacked.addUser(username);
    const [authenticator] = await attacked.authenticators(username);
    accepted(await stack.submit(attacked.signing(surface, user)), 'the control: before');
    const revoke = attacked.request(surface, 'deleteAuthenticator', {
      organizationId,
      username,
      authenticatorId: authenticator!.id,
    });
    let isRevoked = false;
    const late: number[] = [];
    const sign = () =>
      stack.submit(attacked.signing(surface, user)).then((answer) => {
        if (isRevoked && answer.status === 200) late.push(answer.status);
        return answer;
      });
    const before = [sign(), sign(), sign()];
    const revoked = stack.submit(revoke).then((answer) => {
      accepted(answer);
      isRevoked = true;
    });
    const after = [sign(), sign(), sign()];
    await revoked;
    for (const answer of await Promise.all(after)) refused(answer, 'authenticator-unknown', surface);
    await Promise.all(before);
    assert.deepEqual(late, [], 'signed after the revocation was answered');
    stack.restart();
    refused(await sign(), 'authenticator-unknown', 'after every process was killed');
  }
  const expiring = await attacked.addUser('expiring', { expiresInMs: 60_000 });
  const inFlight = attacked.signing('compatibility', expiring);
  accepted(await stack.submit(attacked.signing('native', expiring)), 'the control: before it expires');
  moved.by = 60_001;
  // Stamped in time, decided too late.
  refused(await stack.submit(inFlight), ['user-expired', 'authenticator-expired']);
});

test('A14 holding a decided signature back at the host until its key is revoked gets it refused by the signer', async () => {
  const { stack, moved } = withMovedClock();
  const attacked = await Attacked.found(stack);
  const { organizationId } = attacked;
  const held: ToSigner[] = [];
  const hold = (message: ToSigner) => {
    if (message.type !== 'tickets' || message.tickets === undefined) return message;
    held.push(message);
    return null;
  };
  const release = () => {
    for (const message of held.splice(0)) stack.give({ to: 'signer', message });
  };
  const user = await attacked.addUser('holder');
  stack.host = { toSigner: hold };
  const untouched = stack.submit(attacked.signing('native', user));
  while (held.length === 0) await new Promise(setImmediate);
  release();
  accepted(await untouched, 'the control: held back, and nothing was revoked');

  const revoked = stack.submit(attacked.signing('native', user));
  while (held.length === 0) await new Promise(setImmediate);
  const [authenticator] = await attacked.authenticators('holder');
  await attacked.result('native', 'deleteAuthenticator', {
    organizationId,
    username: 'holder',
    authenticatorId: authenticator!.id,
  });
  stack.host = {};
  accepted(await stack.submit(attacked.signing('native')), 'the signer has seen what followed');
  release();
  assert.match(refused(await revoked, 'signer-refused').check as string, /^(head|floor)$/);

  // A signer that has seen nothing newer refuses a receipt once it is five seconds old.
  stack.host = { toSigner: hold };
  const old = stack.submit(attacked.signing('native'));
  while (held.length === 0) await new Promise(setImmediate);
  moved.by = 5100;
  release();
  assert.equal(refused(await old, 'signer-refused').check, 'receipt-age');
});

test('A15 sending several requests in one JSON array is refused as a whole', async () => {
  const attacked = await Attacked.found();
  const { organizationId, stack } = attacked;
  for (const surface of SURFACES) {
    await attacked.unchangedBy(async () => {
      const permitted = bodyText(surface, 'signUtf8Message', attacked.message());
      const other = bodyText(surface, 'deleteUserFromOrganization', { organizationId, username: 'root' });
      for (const body of [
        `[${permitted}]`,
        `[${permitted},${other}]`,
        `[${other},${permitted}]`,
        '[]',
        `[[${permitted}]]`,
      ])
        refused(await stack.submit(attacked.stamped(surface, body)), 'request-malformed', body.slice(0, 60));
      for (const body of [
        `${permitted}${permitted}`,
        `${permitted}\n${permitted}`,
        `${permitted},${permitted}`,
      ])
        refused(await stack.submit(attacked.stamped(surface, body)), 'json-malformed', body.slice(0, 60));
      const inside = bodyText(surface, 'signUtf8Message', {}).replace(
        '"params":{}',
        `"params":[${JSON.stringify(attacked.message())}]`,
      );
      refused(
        await stack.submit(attacked.stamped(surface, inside)),
        'parameter-invalid',
        'a list of parameters',
      );
    });
    accepted(await stack.submit(attacked.signing(surface)), 'the control: alone');
  }
});
