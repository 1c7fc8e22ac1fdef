import assert from 'node:assert/strict';
import { createHash, verify } from 'node:crypto';
import { describe, test } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Decode } from '@keystead/crypto/bytes';
import { BackupAnswer, BackupEnvelope } from '@keystead/protocol/backup-messages';
import { surfaceCompatibility } from '@keystead/protocol/frames';
import {
  type CallOptions,
  content,
  KeeperWorld,
  random,
  realmIds,
  settings,
} from '../testing/permitted-calls.ts';

const generation = (value: number) => base64urlEncode(new Uint8Array(16).fill(value));
const put = (value: number, backupName = 'main'): CallOptions => ({
  method: 'putBackup',
  params: { backupName, generation: generation(value) },
  content: content(value),
});
const change = (method: string, value: number, more: Record<string, unknown> = {}): CallOptions => ({
  method,
  params: { backupName: 'main', generation: generation(value), ...more },
});
/** Over what is in use; undefined for nothing. */
const switchTo = (value: number, over?: number): CallOptions =>
  change('activateBackup', value, over === undefined ? {} : { current: generation(over) });
const get: CallOptions = { method: 'getBackup', params: { backupName: 'main' } };

async function answerOf(world: KeeperWorld, message: ReturnType<KeeperWorld['message']>) {
  const { body } = await world.send(message.bytes);
  return BackupAnswer.decode(message.finish(BackupEnvelope.decode(body)).payload);
}

async function withBackup(): Promise<KeeperWorld> {
  const world = new KeeperWorld();
  await world.call(put(1));
  await world.call(switchTo(1));
  return world;
}

describe('the keeper of backups', () => {
  test('releases what was put to a permitted request, also after a restart', async () => {
    const world = await withBackup();
    for (const restart of [false, true]) {
      if (restart) world.restart();
      const answer = await world.call(get);
      assert.equal(answer.type, 'content');
      if (answer.type !== 'content') return;
      assert.deepEqual(answer.content, content(1));
    }
  });

  test('releases nothing that signer and policy engine of its deployment did not both state about exactly this request, now', async () => {
    const world = await withBackup();
    const refusals: [string, Partial<CallOptions>][] = [
      ['permit-refused', { statedBy: 6 }],
      // The policy engine's word is not enough, whichever role it writes.
      ['permit-refused', { statedBy: 1 }],
      ['permit-refused', { statedBy: 1, statement: { role: 1 } }],
      ['permit-refused', { statedBy: 3 }],
      ['permit-refused', { statement: { identity: random(32) } }],
      ['permit-refused', { statement: { deployment: random(32) } }],
      ['permit-refused', { statement: { status: 403 } }],
      ['permit-refused', { statement: { resultDigest: random(32) } }],
      ['permit-refused', { statement: { organization: random(16) } }],
      ['permit-expired', { statement: { time: world.now - 60_001 } }],
      ['permit-expired', { statement: { time: world.now + 10_001 } }],
      ['permit-refused', { altered: (request) => ({ ...request, surface: surfaceCompatibility }) }],
      ['permit-refused', { altered: (request) => ({ ...request, path: '/v1/rpc/' }) }],
      [
        'permit-refused',
        {
          altered: (request) => ({
            ...request,
            body: new TextEncoder().encode(utf8Decode(request.body).replace('main', 'mail')),
          }),
        },
      ],
      ['permit-refused', { method: 'getOrganization', params: {} }],
      ['session-other', { otherSession: random(32) }],
      // The signer's word is not enough either: what the policy engine did not allow in this very entry is not released.
      ['permit-refused', { allowedBy: 2 }],
      ['permit-refused', { allowedBy: 2, allowance: { role: 2 } }],
      ['permit-refused', { allowedBy: 6 }],
      ['permit-refused', { allowance: { identity: random(32) } }],
      ['permit-refused', { allowance: { resultDigest: random(32) } }],
      ['permit-refused', { allowance: { status: 403 } }],
      ['permit-refused', { allowance: { organization: random(16) } }],
      ['permit-refused', { allowance: { position: 2 } }],
    ];
    for (const [code, changed] of refusals) {
      const answer = await world.call({ ...get, ...changed });
      assert.deepEqual(answer, { type: 'refused', code }, JSON.stringify(Object.keys(changed)));
    }
    for (const time of [world.now - 59_999, world.now + 9_999])
      assert.equal((await world.call({ ...get, statement: { time } })).type, 'content');
  });

  test('answers only into the session of the request: who repeats the bytes reads nothing', async () => {
    const world = await withBackup();
    const { bytes, finish } = world.message(get);
    const first = await world.send(bytes);
    const again = await world.send(bytes);
    assert.notDeepEqual(first.body, again.body);
    assert.ok(finish(BackupEnvelope.decode(first.body)).payload.length > 0);
    const other = world.message(get);
    assert.throws(() => other.finish(BackupEnvelope.decode(again.body)));
  });

  test('takes a content only with the request that commits to it', async () => {
    const world = new KeeperWorld();
    const other = base64urlEncode(random(32));
    for (const changed of [
      { ...put(1), params: { ...put(1).params, digest: other } },
      { ...switchTo(1), content: content(1) },
    ])
      assert.deepEqual(await world.call(changed), { type: 'refused', code: 'content-other' });
    assert.equal(world.rows.size, 0);
    assert.equal((await world.call(put(1))).type, 'state');
  });

  test('bytes that are no call change nothing and end nothing', async () => {
    const world = await withBackup();
    const { bytes } = world.message(get);
    const flipped = bytes.slice();
    flipped[flipped.length - 1]! ^= 1;
    for (const bad of [new Uint8Array(0), random(100), bytes.slice(0, -1), flipped])
      assert.equal((await world.send(bad)).refusal, 'call-malformed');
    assert.equal((await world.call(get)).type, 'content');
  });

  test('before the operator has named a deployment nothing is released, and afterwards it is', async () => {
    const world = await withBackup();
    world.keeper.configure({ ...settings(), deployment: undefined });
    assert.deepEqual(await world.call(get), { type: 'refused', code: 'not-configured' });
    world.keeper.configure(settings());
    assert.equal((await world.call(get)).type, 'content');
  });

  test('parallel requests of one organization are done one after the other', async () => {
    const world = new KeeperWorld();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => world.call(put(1, `seed ${index}`))),
    );
    assert.deepEqual(
      answers.map(({ type }) => type),
      Array(8).fill('state'),
    );
    const listed = await world.call({ method: 'listBackups', params: {} });
    assert.equal(listed.type === 'states' && listed.backups.length, 8);
  });

  test('a database that was set back refuses to serve after a restart and says why; the newest one serves', async () => {
    const world = await withBackup();
    // Without traffic the log hears that the database has everything.
    assert.equal(await world.readiness(), '');
    const older = { rows: new Map(world.rows), sequence: world.sequence };
    await world.call(put(2));
    await world.call(switchTo(2, 1));
    assert.equal(await world.readiness(), '');
    const newest = { rows: new Map(world.rows), sequence: world.sequence };

    Object.assign(world, { rows: new Map(older.rows), sequence: older.sequence });
    world.restart();
    assert.equal(await world.readiness(), 'backup-database-old');
    const refused = await world.send(world.message(get).bytes);
    assert.deepEqual([refused.status, refused.refusal], [503, 'backup-database-old']);
    assert.ok(world.logged.includes('not-serving'));

    Object.assign(world, { rows: newest.rows, sequence: newest.sequence });
    world.restart();
    assert.equal(await world.readiness(), '');
    assert.equal((await world.call(get)).type, 'content');
    // The number alone does not help whoever sets rows back: they are not the newest.
    Object.assign(world, { rows: new Map(older.rows) });
    world.restart();
    assert.deepEqual(await world.call(get), { type: 'refused', code: 'row-refused' });
  });

  test('a tail that a crash took from the database is written again from the log, with its events', async () => {
    const world = await withBackup();
    assert.equal(await world.readiness(), '');
    for (const options of [get, put(2)]) {
      const before = { rows: new Map(world.rows), sequence: world.sequence, events: world.events.length };
      await world.call(options);
      const after = { rows: new Map(world.rows), events: [...world.events] };
      world.events.splice(before.events);
      Object.assign(world, { rows: before.rows, sequence: before.sequence });
      world.restart();
      assert.equal(await world.readiness(), '');
      assert.deepEqual(world.events, after.events);
      assert.deepEqual(world.rows, after.rows);
    }
    const listed = await world.call({ method: 'listBackups', params: {} });
    assert.ok(listed.type === 'states' && listed.backups[0]!.staged !== undefined);
  });

  test('a log that is older than the database, or altered, refuses to serve and says why', async () => {
    const world = await withBackup();
    const records = [...world.records];
    world.records = records.slice(0, -1);
    world.restart();
    assert.equal(await world.readiness(), 'backup-heads-old');
    const altered = records.at(-1)!.record.slice();
    altered[altered.length - 1]! ^= 1;
    world.records = [...records.slice(0, -1), { sequence: records.length, record: altered }];
    world.restart();
    assert.equal(await world.readiness(), 'backup-heads-malformed');
    world.records = records;
    world.restart();
    assert.equal(await world.readiness(), '');
    assert.equal((await world.call(get)).type, 'content');
  });

  test('nothing is released before its event is durable; what prepares a change makes none', async () => {
    const world = new KeeperWorld();
    const events = async (options: CallOptions) => {
      const before = world.events.length;
      await world.call(options);
      return world.events.slice(before).map(({ event }) => event);
    };
    assert.deepEqual(await events(put(1)), []);
    assert.deepEqual(await events(change('getBackup', 1)), []);
    assert.deepEqual(await events(change('getRealmTokens', 1, { scope: 'register' })), []);
    assert.deepEqual(await events(switchTo(1)), ['created']);
    assert.deepEqual(await events(get), ['released']);
    assert.deepEqual(await events(change('getRealmTokens', 1, { scope: 'recover' })), ['guess_permitted']);
    assert.deepEqual(await events(change('getRealmTokens', 1, { scope: 'status' })), []);
    assert.deepEqual(await events({ method: 'listBackups', params: {} }), []);
    await world.call(put(2));
    assert.deepEqual(await events(switchTo(2, 1)), ['replaced']);
    assert.deepEqual(await events(change('deleteBackup', 2)), ['deletion_requested']);
    assert.deepEqual(await events(switchTo(2, 2)), ['deletion_withdrawn']);
    const early = await world.call(change('deleteBackup', 1));
    assert.deepEqual(early, { type: 'refused', code: 'replacement-pending' });
    world.keeper.configure(settings({ deletionDelaySeconds: 0 }));
    assert.deepEqual(await events(change('deleteBackup', 2)), ['deleted']);
    // A host that never says that the event is stored gets no content.
    await world.call(put(3));
    await world.call(switchTo(3));
    world.keeper.send = (message) => {
      if (message.type === 'read')
        world.keeper.receive({ type: 'row', name: message.name, bytes: world.stored(message.name) });
      assert.notEqual(message.type, 'answer');
    };
    world.keeper.receive({ type: 'request', id: 1, body: world.message(get).bytes });
    await world.turns();
  });

  test('a row that is older than one that was seen, altered, or of another organization is not served', async () => {
    const world = await withBackup();
    const [[name, old]] = [...world.rows] as [[string, Uint8Array]];
    await world.call(put(2));
    const newest = world.rows.get(name)!;
    const altered = newest.slice();
    altered[altered.length - 1]! ^= 1;
    for (const bytes of [old, altered, undefined]) {
      world.stored = () => bytes;
      assert.deepEqual(await world.call(get), { type: 'refused', code: 'row-refused' });
    }
    world.stored = () => newest;
    assert.equal((await world.call(get)).type, 'content');
  });

  test('rows show neither content nor name nor organization, and the same state never looks the same', async () => {
    const world = await withBackup();
    const one = [...world.rows.values()][0]!;
    await world.call(put(2));
    const other = [...world.rows.values()][0]!;
    assert.notDeepEqual(one, other);
    for (const part of [
      Buffer.from('main'),
      content(1).share,
      content(1).ciphertext,
      content(1).pepper,
      Buffer.alloc(16, 7),
    ])
      for (const row of [one, other]) assert.ok(!Buffer.from(row).includes(part));
  });

  test('tokens are for one realm each, for one generation and one scope, and live for a minute', async () => {
    const world = await withBackup();
    await world.call(put(2));
    const spki = (key: Uint8Array) => ({
      key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key]),
      format: 'der' as const,
      type: 'spki' as const,
    });
    const subjects = new Set<string>();
    const ids = new Set<string>();
    for (const value of [1, 2]) {
      const answer = await world.call(change('getRealmTokens', value, { scope: 'recover' }));
      assert.equal(answer.type, 'tokens');
      if (answer.type !== 'tokens') return;
      assert.equal(answer.expires, world.now + 60_000);
      for (const { realmId, token } of answer.tokens) {
        const [header, claims, signature] = token.split('.') as [string, string, string];
        const signed = Buffer.from(`${header}.${claims}`);
        const { createPublicKey } = await import('node:crypto');
        assert.ok(
          verify(null, signed, createPublicKey(spki(world.tokenKey!)), Buffer.from(signature, 'base64url')),
        );
        const stated = JSON.parse(Buffer.from(claims, 'base64url').toString());
        assert.equal(stated.aud, realmId);
        assert.equal(stated.scope, 'recover');
        assert.equal(stated.exp - stated.iat, 60);
        subjects.add(stated.sub);
        ids.add(stated.jti);
      }
    }
    assert.equal(subjects.size, 2);
    assert.equal(ids.size, 6);
    const refused = await world.call(change('getRealmTokens', 1, { scope: 'register' }));
    assert.deepEqual(refused, { type: 'refused', code: 'generation-unknown' });
  });

  test('an event names the registration that it is about as realms do, and another generation’s is another', async () => {
    const world = new KeeperWorld();
    await world.call(put(1));
    const users = new Map<number, string>();
    const told = async (options: CallOptions) => {
      const before = world.events.length;
      await world.call(options);
      return world.events.slice(before).map(({ event, userId }) => [event, userId]);
    };
    for (const value of [1, 2]) {
      if (value === 2) await world.call(put(2));
      const answer = await world.call(change('getRealmTokens', value, { scope: 'register' }));
      assert.ok(answer.type === 'tokens');
      const [, claims] = answer.tokens[0]!.token.split('.');
      const { iss, sub } = JSON.parse(Buffer.from(claims!, 'base64url').toString());
      const userId = createHash('sha256').update(`${iss}:${sub}`).digest('hex');
      users.set(value, userId);
      const used = value === 1 ? 'created' : 'replaced';
      assert.deepEqual(await told(switchTo(value, value === 1 ? undefined : value - 1)), [[used, userId]]);
      assert.deepEqual(await told(get), [['released', userId]]);
      const recover = change('getRealmTokens', value, { scope: 'recover' });
      assert.deepEqual(await told(recover), [['guess_permitted', userId]]);
    }
    assert.notEqual(users.get(1), users.get(2));
    assert.deepEqual(await told(change('deleteBackup', 2)), [['deletion_requested', users.get(2)]]);
    // A switch back is about the generation that it brings.
    assert.deepEqual(await told(switchTo(1, 2)), [['replaced', users.get(1)]]);
  });

  test('tokens that delete a staged generation leave only when it is retired, and then no switch brings it into use', async () => {
    const world = await withBackup();
    await world.call(put(2));
    const late = world.message(switchTo(2, 1));
    const tokens = await world.call(change('getRealmTokens', 2, { scope: 'delete' }));
    assert.equal(tokens.type === 'tokens' && tokens.tokens.length, 3);
    for (const restart of [false, true]) {
      if (restart) world.restart();
      const refused = await world.call(switchTo(2, 1));
      assert.deepEqual(refused, { type: 'refused', code: 'generation-unknown' });
    }
    assert.equal((await answerOf(world, late)).type, 'refused');
    const answer = await world.call(get);
    assert.deepEqual(answer.type === 'content' && answer.content, content(1));
    const inUse = await world.call(change('getRealmTokens', 1, { scope: 'delete' }));
    assert.deepEqual(inUse, { type: 'refused', code: 'generation-unknown' });
  });

  test('a request that comes late, or again, undoes nothing that was done after it was decided', async () => {
    const world = await withBackup();
    const staging = world.message(put(2));
    const switching = world.message(switchTo(2, 1));
    await answerOf(world, staging);
    await world.call(change('getRealmTokens', 2, { scope: 'delete' }));
    await world.call(change('forgetGeneration', 2));
    // The generation is forgotten: kept back, both would bring it into use with nothing at its realms.
    assert.deepEqual(await answerOf(world, staging), { type: 'refused', code: 'request-overtaken' });
    assert.deepEqual(await answerOf(world, switching), { type: 'refused', code: 'generation-unknown' });
    // A deletion that was taken back does not begin again, and one that was asked for later is not taken back.
    const deletion = world.message(change('deleteBackup', 1));
    const keeping = world.message(switchTo(1, 1));
    const asked = await answerOf(world, deletion);
    assert.ok(asked.type === 'state' && asked.deletableAt !== undefined);
    assert.deepEqual(await answerOf(world, deletion), asked);
    await answerOf(world, keeping);
    assert.deepEqual(await answerOf(world, deletion), { type: 'refused', code: 'request-overtaken' });
    world.now += 1;
    await world.call(change('deleteBackup', 1));
    assert.deepEqual(await answerOf(world, keeping), { type: 'refused', code: 'request-overtaken' });
    const told = world.events.map(({ event }) => event);
    assert.deepEqual(told, ['created', 'deletion_requested', 'deletion_withdrawn', 'deletion_requested']);
    assert.equal((await world.call(get)).type, 'content');
  });

  test('a deletion without a delay whose answer is lost is answered again, and still knows what realms have to delete', async () => {
    const world = new KeeperWorld(settings({ deletionDelaySeconds: 0 }));
    await world.call(put(1));
    await world.call(switchTo(1));
    const deletion = world.message(change('deleteBackup', 1));
    for (let time = 1; time <= 2; time += 1) {
      const answer = await answerOf(world, deletion);
      assert.equal(answer.type === 'state' && answer.retired.length, 1);
    }
    const unprepared = await world.call(change('forgetGeneration', 1));
    assert.deepEqual(unprepared, { type: 'refused', code: 'deletion-unprepared' });
    assert.equal((await world.call(change('getRealmTokens', 1, { scope: 'delete' }))).type, 'tokens');
    const gone = await world.call(change('forgetGeneration', 1));
    assert.deepEqual(gone.type === 'state' && gone.retired, []);
  });

  test("the delay before a deletion is measured by the certifier's time, not by the host's clock", async () => {
    const world = await withBackup();
    world.restart(settings({ deletionDelaySeconds: 50 }));
    const asked = await world.call(change('deleteBackup', 1));
    assert.equal(asked.type === 'state' && asked.deletableAt, world.now + 50_000);
    const stated = world.now;
    world.now += 55_000;
    const early = await world.call({ ...change('deleteBackup', 1), statement: { time: stated + 49_999 } });
    assert.deepEqual(early, { type: 'refused', code: 'deletion-pending' });
    const gone = await world.call({ ...change('deleteBackup', 1), statement: { time: stated + 50_000 } });
    assert.equal(gone.type === 'state' && gone.current, undefined);
  });

  test('in production it keeps nothing whose realms one operator has at the threshold, named or not; in development it says so', async () => {
    const [one, two, three] = realmIds;
    const placed = {
      ...put(1),
      content: {
        ...content(1),
        placement: {
          realmIds: realmIds.map((id) => Buffer.from(id, 'hex')),
          recoverThreshold: 2,
          pinHashingMode: 'Standard2019' as const,
        },
      },
    };
    const world = new KeeperWorld();
    assert.equal((await world.call(placed)).type, 'state');
    assert.ok(world.logged.includes('realms-of-one-operator'));
    for (const operators of [
      undefined,
      { [one!]: 'ada' },
      { [one!]: 'ada', [two!]: ' Ada ', [three!]: 'bob' },
    ]) {
      const production = new KeeperWorld();
      production.profile = 'production';
      production.restart(settings({ operators }));
      const refused = await production.call(placed);
      assert.deepEqual(refused, { type: 'refused', code: 'operators-too-few' });
      assert.equal(production.rows.size, 0);
    }
    // The control: three operators, and also two beside the keeper's own.
    for (const operators of [
      { [one!]: 'ada', [two!]: 'bob', [three!]: 'eve' },
      { [one!]: 'ada', [two!]: 'bob' },
    ]) {
      const production = new KeeperWorld();
      production.profile = 'production';
      production.restart(settings({ operators }));
      assert.equal((await production.call(placed)).type, 'state');
    }
  });
});
