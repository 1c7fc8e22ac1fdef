import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { publicLookup } from '@keystead/host-program/public-address';
import { SMTPServer } from 'smtp-server';
import type { Notification } from './notification.ts';
import { noNotifications, readNotificationSettings } from './notification-settings.ts';
import { Notifier, pauseAfter } from './notifier.ts';
import { Outbox } from './outbox.ts';
import { smtpEmail } from './smtp-email.ts';

const directory = mkdtempSync(join(tmpdir(), 'keystead-notification-'));
const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
  rmSync(directory, { recursive: true, force: true });
});

const secret = randomBytes(32);
const whsec = `whsec_${secret.toString('base64')}`;
const guess: Notification = {
  type: 'realm.guess_used',
  time: 1_800_000_000_000,
  subject: 'shop',
  data: { userId: 'ab', guesses: 7, guessCount: 2 },
};

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver on loopback that answers what `answer` does. */
async function receiver(
  answer: (response: ServerResponse, count: number) => void = (response) => response.end(),
) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      answer(response, received.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { received, port, url: `http://127.0.0.1:${port}/hook` };
}

let files = 0;
function settingsOf(content: object) {
  const path = join(directory, `notifications-${files++}.json`);
  writeFileSync(path, JSON.stringify(content));
  return readNotificationSettings(path);
}

const until = async (holds: () => boolean) => {
  const deadline = performance.now() + 60_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, 'in time');
    await new Promise((wake) => setTimeout(wake, 5));
  }
};

function notifierIn(database: DatabaseSync, content: object, more: { clock?: () => number } = {}) {
  const settings = settingsOf(content);
  const logged: Record<string, unknown>[] = [];
  const outbox = new Outbox(database);
  const notifier = new Notifier({
    outbox,
    settings,
    report: (_level, event, fields) => void logged.push({ event, ...fields }),
    email: settings.email === undefined ? undefined : smtpEmail(settings.email),
    ...more,
  });
  closing.push(() => notifier.stop());
  return { notifier, outbox, logged };
}

const database = () => new DatabaseSync(join(directory, `queue-${files++}.sqlite`));

describe('webhooks', () => {
  test('are told with id, time and a signature over both and the body, which the receiver can check', async () => {
    const { received, url } = await receiver();
    const { notifier, outbox } = notifierIn(database(), {
      webhooks: [{ url, secret: whsec, private: true }],
    });
    notifier.add(guess);
    notifier.start();
    await until(() => outbox.size === 0);
    const [{ headers, body }] = received as [Received];
    const id = String(headers['webhook-id']);
    const signed = `${id}.${String(headers['webhook-timestamp'])}.${body}`;
    const expected = createHmac('sha256', secret).update(signed).digest('base64');
    assert.equal(headers['webhook-signature'], `v1,${expected}`);
    assert.deepEqual(JSON.parse(body), {
      id,
      type: 'realm.guess_used',
      timestamp: '2027-01-15T08:00:00.000Z',
      subject: 'shop',
      data: { userId: 'ab', guesses: 7, guessCount: 2 },
    });
    assert.ok(!JSON.stringify(received).includes(whsec.slice(6)));
  });

  test('that fail are tried again later and later with the same id, also by another process, until one is taken', async () => {
    let answers = (response: ServerResponse) => void response.writeHead(500).end();
    const { received, url } = await receiver((response) => answers(response));
    const path = join(directory, 'restart.sqlite');
    const content = { webhooks: [{ url, secret: whsec, private: true }] };
    let now = Date.now();
    const first = new DatabaseSync(path);
    const begun = notifierIn(first, content, { clock: () => now });
    begun.notifier.add(guess);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      begun.notifier.wake();
      await until(() => begun.logged.length === attempt);
      assert.equal(begun.outbox.nextDue, now + pauseAfter(attempt));
      now += pauseAfter(attempt);
    }
    begun.notifier.stop();
    first.close();
    answers = (response) => void response.end();
    const second = new DatabaseSync(path);
    const resumed = notifierIn(second, content, { clock: () => now });
    assert.equal(resumed.outbox.size, 1, 'nothing was lost');
    resumed.notifier.start();
    await until(() => resumed.outbox.size === 0);
    assert.equal(received.length, 4);
    assert.equal(new Set(received.map(({ headers }) => headers['webhook-id'])).size, 1);
    assert.deepEqual([pauseAfter(1), pauseAfter(2), pauseAfter(100)], [1000, 2000, 3_600_000]);
  });

  test('are given up after three days, and said to be', async () => {
    const { url } = await receiver((response) => void response.writeHead(410).end());
    let now = Date.now();
    const { notifier, outbox, logged } = notifierIn(
      database(),
      { webhooks: [{ url, secret: whsec, private: true }] },
      { clock: () => now },
    );
    notifier.add(guess);
    now += 3 * 24 * 60 * 60 * 1000 + 1;
    notifier.start();
    await until(() => outbox.size === 0);
    assert.ok(logged.some(({ event }) => event === 'notification-given-up'));
  });

  test('H1 reach no inward address: by number, mapped into IPv6, by a name that resolves there, or by a redirect', async () => {
    const inward = await receiver();
    const redirecting = await receiver((response) => response.writeHead(302, { location: inward.url }).end());
    for (const host of [
      '127.0.0.1',
      '[::ffff:127.0.0.1]',
      '[::1]',
      '10.0.0.1',
      '169.254.169.254',
      'localhost',
    ]) {
      const url = `https://${host}:${inward.port}/`;
      const { notifier, logged } = notifierIn(database(), { webhooks: [{ url, secret: whsec }] });
      notifier.add(guess);
      notifier.start();
      await until(() => logged.length > 0);
      assert.equal(logged[0]!.reason, 'PostError ENOTPUBLIC', host);
    }
    let resolved = 0;
    const rebinding = publicLookup((_name, done) => {
      resolved += 1;
      done(null, [{ address: resolved === 1 ? '127.0.0.1' : '1.1.1.1', family: 4 }]);
    });
    const settings = settingsOf({ webhooks: [{ url: 'https://hook.example/', secret: whsec }] });
    const logged: string[] = [];
    const notifier = new Notifier({
      outbox: new Outbox(database()),
      settings,
      report: (_level, _event, fields) => void logged.push(String(fields?.reason)),
      email: undefined,
      lookup: rebinding,
    });
    closing.push(() => notifier.stop());
    notifier.add(guess);
    notifier.start();
    await until(() => logged.length > 0);
    assert.deepEqual([logged[0], resolved], ['PostError ENOTPUBLIC', 1]);
    const redirected = notifierIn(database(), {
      webhooks: [{ url: redirecting.url, secret: whsec, private: true }],
    });
    redirected.notifier.add(guess);
    redirected.notifier.start();
    await until(() => redirected.logged.length > 0);
    assert.equal(redirected.logged[0]!.reason, 'PostError EREDIRECT');
    assert.equal(inward.received.length, 0);
    // The control: the receiver is there, for a webhook that the operator calls private.
    const own = notifierIn(database(), { webhooks: [{ url: inward.url, secret: whsec, private: true }] });
    own.notifier.add(guess);
    own.notifier.start();
    await until(() => inward.received.length === 1);
  });

  test('take the events that they name, and an answer that does not end is cut off', async () => {
    const [some, endless] = [
      await receiver(),
      await receiver((response) => void response.write('x'.repeat(2 ** 21))),
    ];
    const { notifier, outbox, logged } = notifierIn(database(), {
      webhooks: [
        { url: some.url, secret: whsec, private: true, events: ['realm.locked_out'] },
        { url: endless.url, secret: whsec, private: true, events: ['realm.guess_used'] },
      ],
    });
    notifier.add(guess);
    notifier.add({ ...guess, type: 'realm.locked_out' });
    notifier.start();
    await until(() => some.received.length === 1 && logged.length > 0);
    assert.equal(logged[0]!.reason, 'PostError ETOOLARGE');
    assert.equal((JSON.parse(some.received[0]!.body) as { type: string }).type, 'realm.locked_out');
    assert.equal(outbox.size, 1);
  });
});

describe('e-mail', () => {
  test('goes by SMTP to the recipients of the subject, and to nobody else', async () => {
    const mails: { to: string[]; text: string }[] = [];
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData(stream, session, done) {
        let text = '';
        stream.on('data', (chunk: Buffer) => {
          text += chunk.toString('utf8');
        });
        stream.on('end', () => {
          mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), text });
          done();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    const { port } = server.server.address() as AddressInfo;
    const email = {
      smtp: `smtp://127.0.0.1:${port}`,
      private: true,
      from: 'keystead@example.org',
      recipients: { shop: ['ada@example.org'], other: ['eve@example.org'] },
    };
    const { notifier, outbox } = notifierIn(database(), { email });
    notifier.add(guess);
    notifier.add({ ...guess, subject: 'nobody' });
    notifier.start();
    await until(() => outbox.size === 0);
    assert.deepEqual(
      mails.map(({ to }) => to),
      [['ada@example.org']],
    );
    assert.match(mails[0]!.text, /^Subject: A PIN was entered\r?$/m);
    assert.match(mails[0]!.text, /guessCount: 2/);
    // A server that does not offer TLS gets nothing unless the operator calls it private.
    const strict = notifierIn(database(), { email: { ...email, private: false } });
    strict.notifier.add(guess);
    strict.notifier.start();
    await until(() => strict.logged.length > 0);
    assert.equal(mails.length, 1);
  });
});

describe('the settings of notifications', () => {
  test('name what is wrong with them and never its content', () => {
    const webhook = { url: 'https://hook.example/', secret: whsec };
    const email = {
      smtp: 'smtps://u:p@mail.example',
      from: 'a@example.org',
      recipients: { '*': ['b@example.org'] },
    };
    for (const [content, expected] of [
      [{ more: 1 }, /unknown member more/],
      [{ webhooks: [{ ...webhook, url: 'http://hook.example/' }] }, /webhooks\[0\]\.url is no https URL/],
      [{ webhooks: [{ ...webhook, url: 'https://u:p@hook.example/' }] }, /holds a password/],
      [{ webhooks: [{ ...webhook, secret: 'short' }] }, /webhooks\[0\]\.secret/],
      [{ webhooks: [webhook, webhook] }, /two have one url/],
      [{ email: { ...email, smtp: 'https://mail.example' } }, /email\.smtp/],
      [{ email: { ...email, from: 'a@b\r\nBcc: c@d' } }, /email\.from/],
      [{ email: { ...email, recipients: { '*': ['a@b, c@d'] } } }, /email\.recipients/],
    ] as const) {
      assert.throws(
        () => settingsOf(content),
        (error: Error) => error instanceof TypeError && expected.test(error.message),
      );
    }
    assert.equal(settingsOf({ webhooks: [webhook], email }).webhooks.length, 1);
    assert.equal(readNotificationSettings(join(directory, 'none.json')), noNotifications);
  });
});
