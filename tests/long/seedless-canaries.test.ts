/**
 * What a wallet must keep to itself, looked for in everything that others can come to see: what the SDK throws and the servers answer,
 * also to requests that hold it where it does not belong, and what their processes leave behind when they are killed or abort.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { base64urlDecode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { unlockSecretOf } from '@keystead/enclave-launcher/unlock/secret-of-home';
import { decodeClientRequest } from '@keystead/juicebox/noise-messages';
import { exportBackup, genesisOf } from '@keystead/stack/export-record';
import { findSecrets, type Place, planted } from '../attacks/canary.ts';
import { type Person, withSeedless } from '../seedless/with-seedless.ts';

const world = withSeedless();
const backupName = 'main';
// Long ones, which stand nowhere by chance.
const pin = '402716958371';
const wrongPin = '915208376424';
const nextPin = '630918275046';
const crashing = ['realm-1-enclave', 'realm-1-host', 'backup-enclave', 'backup-host'] as const;

const errors: Place[] = [];
const answers: Place[] = [];
const codes = new Set<string>();
const tokens = new Set<string>();
const requests: { readonly url: string; readonly body: Uint8Array }[] = [];
/** Beside the answer to a request: what becomes of it. */
type Meddle = (url: string, answer: Response, body: Uint8Array) => Promise<Response> | Response;

const bodyOf = (init: RequestInit | undefined) =>
  init?.body instanceof Uint8Array ? new Uint8Array(init.body) : undefined;

async function keepAnswer(url: string, answer: Response): Promise<Uint8Array> {
  const body = new Uint8Array(await answer.clone().arrayBuffer());
  const head = utf8Encode(`${answer.status} ${answer.statusText} ${JSON.stringify([...answer.headers])} `);
  answers.push({ name: `answer of ${url}`, bytes: Buffer.concat([head, body]) });
  return body;
}

const recording =
  (meddle: Meddle = (_url, answer) => answer): typeof fetch =>
  async (input, init) => {
    const url = String(input);
    const sent = bodyOf(init);
    if (sent !== undefined) requests.push({ url, body: sent });
    if (sent !== undefined && url.endsWith('/req')) tokens.add(decodeClientRequest(sent).token);
    const answer = await fetch(input, init);
    return meddle(url, answer, await keepAnswer(url, answer));
  };

/** The call must fail; what it throws is kept. */
async function fails(call: Promise<unknown>): Promise<void> {
  const error: unknown = await call.then(
    () => assert.fail('nothing was refused'),
    (thrown: unknown) => thrown,
  );
  keepError(error);
}

function keepError(error: unknown): void {
  if (error instanceof assert.AssertionError) throw error;
  codes.add(String((error as { code?: unknown }).code));
  const said = [
    inspect(error, { depth: 12, showHidden: true, maxStringLength: null }),
    JSON.stringify(error),
  ];
  for (let at: unknown = error; at instanceof Error; at = at.cause) said.push(String(at), at.stack ?? '');
  errors.push({ name: `error ${errors.length}`, bytes: utf8Encode(said.join('\n')) });
}

const deviceOf = (person: Person, meddle?: Meddle) =>
  world.device(person, { guesses: 20, fetch: recording(meddle) });
const altered = (isAltered: (url: string) => boolean): Meddle => {
  return (url, answer, body) => {
    if (!isAltered(url) || body.length === 0) return answer;
    const bytes = body.slice();
    bytes[bytes.length - 1]! ^= 1;
    return new Response(bytes, { status: answer.status, headers: answer.headers });
  };
};
const isKeeper = (url: string) => url.startsWith(world.keeper.address);
const isRealm = (url: string) => url.endsWith('/req');

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 120_000;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `${what}\n${world.logged()}`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

/** Requests as they were sent, cut or altered, and the secrets themselves wherever a request has room for them. */
async function sendNonsense(secrets: Readonly<Record<string, Uint8Array>>): Promise<void> {
  const send = async (url: string | URL, init: RequestInit = {}) => {
    await keepAnswer(String(url), await fetch(url, init));
  };
  const headers = { 'x-juicebox-version': '0.3.7', 'content-type': 'application/octet-stream' };
  for (const { url, body } of requests.filter((request) => isRealm(request.url) || isKeeper(request.url))) {
    const flipped = body.slice();
    flipped[Math.floor(body.length / 2)]! ^= 0x40;
    for (const bytes of [body.slice(0, -1), flipped])
      await send(url, { method: 'POST', headers, body: bytes });
  }
  for (const server of [world.keeper.address, ...world.realms.realms.map(({ address }) => address)])
    for (const secret of Object.values(secrets)) {
      const text = Buffer.from(secret).toString('hex').slice(0, 1024);
      const path = server === world.keeper.address ? 'v1/backup' : 'req';
      await send(new URL(`${text}?at=${text}`, server));
      await send(new URL(`${path}?at=${text}`, server), { method: 'POST', headers, body: secret.slice() });
      const authorization = `Bearer ${text}.${text}.${text}`;
      await send(new URL(path, server), {
        method: 'POST',
        headers: { ...headers, authorization },
        body: text,
      });
    }
}

function filesLeft(): Place[] {
  return (
    readdirSync(world.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      // These files hold what unlocks, and say so.
      .filter((name) => !name.endsWith('/development/unlock.key'))
      .map((name) => ({ name, bytes: readFileSync(name) }))
  );
}

/** A file without its pages of zeros, which are most of a core file. */
function writtenPages(path: string): Buffer {
  const page = 4096;
  const zeros = Buffer.alloc(page);
  const kept: Buffer[] = [];
  const descriptor = openSync(path, 'r');
  const chunk = Buffer.alloc(256 * page);
  for (let length = readSync(descriptor, chunk); length > 0; length = readSync(descriptor, chunk))
    for (let at = 0; at < length; at += page) {
      const bytes = chunk.subarray(at, Math.min(at + page, length));
      if (!bytes.equals(zeros)) kept.push(Buffer.from(bytes));
    }
  closeSync(descriptor);
  return Buffer.concat(kept);
}

/** What a process that crashes writes where it works. */
function crashFiles(): Set<string> {
  const folders = [...world.realms.processes.values()].map((pid) => readlinkSync(`/proc/${pid}/cwd`));
  return new Set(
    [...new Set(folders)].flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => /^(core(\.\d+)?|report\..*\.json|isolate-.*|.*\.heapsnapshot)$/.test(name))
        .map((name) => join(folder, name)),
    ),
  );
}

test('no error of the SDK, no answer of keeper or realms, and nothing that kill -9 or an abort leaves holds PIN, seed, share, key or token', async (context) => {
  const person = await world.person();
  const phone = deviceOf(person);
  await phone.create({ backupName, pin });
  const kit = await phone.exportKit({ backupName });
  const phrase = await phone.exportPhrase({ backupName });
  const entropy = (await phone.seed({ backupName })).expose().slice();

  // What fails at the device, at the keeper, at realms, and on the way.
  await fails(phone.changePin({ backupName, pin: wrongPin, newPin: nextPin }));
  await fails(phone.changePin({ backupName, pin, newPin: `${nextPin}x` }));
  await fails(phone.create({ backupName, pin, entropy: new SecretBytes(entropy.slice()) }));
  await fails(deviceOf(person).create({ backupName, pin: nextPin }));
  await fails(deviceOf(person).recover({ backupName, pin: wrongPin }));
  await fails(deviceOf(person, altered(isKeeper)).recover({ backupName, pin }));
  await fails(deviceOf(person, altered(isRealm)).recover({ backupName, pin }));
  for (const isLost of [isKeeper, isRealm])
    await fails(
      deviceOf(person, (url, answer) => {
        if (isLost(url)) throw new TypeError('connection lost');
        return answer;
      }).recover({ backupName, pin }),
    );
  await fails(deviceOf(person).importKit({ backupName, ...kit, passphrase: `${kit.passphrase}x` }));
  const other = { backupName: 'other', pin: nextPin };
  await world.device(person, { guesses: 3 }).create(other);
  for (let guess = 0; guess < 4; guess += 1)
    await fails(deviceOf(person).recover({ ...other, pin: wrongPin }));
  await fails(deviceOf(person).recover(other));

  const { organizationId } = person;
  const backup = await exportBackup(world.keeperHome, { organizationId, backupName });
  const secrets: Record<string, Uint8Array> = {
    pin: utf8Encode(pin),
    'wrong pin': utf8Encode(wrongPin),
    'next pin': utf8Encode(nextPin),
    phrase: utf8Encode(phrase),
    entropy,
    'kit passphrase': utf8Encode(kit.passphrase),
    share: base64urlDecode(backup.share),
    ciphertext: base64urlDecode(backup.ciphertext),
    pepper: base64urlDecode(backup.pepper),
    'account key': person.privateKey.expose().slice(),
  };
  for (const home of [
    world.keeperHome,
    ...world.realms.realms.map(({ number }) => world.realmHome(number)),
  ]) {
    const { seed } = await genesisOf(home, home === world.keeperHome ? 'backup' : 'realm', []);
    secrets[`seed of ${home}`] = seed.expose().slice();
    secrets[`unlock key of ${home}`] = (await unlockSecretOf(home, [])).expose().slice();
  }
  await sendNonsense(secrets);

  const before = crashFiles();
  const crashes: Place[] = [];
  for (const signal of ['SIGKILL', 'SIGABRT'] as const)
    for (const name of crashing) {
      const pid = world.realms.processes.get(name)!;
      if (name.endsWith('enclave'))
        assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max core file size +0 +0 /m);
      // Where the machine lets it, a host leaves its whole memory: one that nobody has sent nonsense to since its start.
      else if (signal === 'SIGABRT') spawnSync('prlimit', ['--pid', String(pid), '--core=unlimited']);
      // It ends while a recovery is under way: with the first answer of its own.
      const { address } = name.startsWith('backup') ? world.keeper : world.realms.realms[0]!;
      const device = deviceOf(person, (url, answer) => {
        if (url.startsWith(address) && world.realms.processes.get(name) === pid)
          world.realms.kill(name, signal);
        return answer;
      });
      await device.recover({ backupName, pin }).catch(keepError);
      await until(`${name} starts again`, () => {
        const next = world.realms.processes.get(name);
        return next !== undefined && next !== pid;
      });
      await world.realms.settled();
      for (const path of [...crashFiles()].filter((one) => !before.has(one))) {
        const bytes = writtenPages(path);
        // The control: the memory of this world's host, whose environment names its home.
        if (!bytes.includes(`KEYSTEAD_HOME=${world.directory}`)) continue;
        crashes.push({ name: `${path} of ${name}`, bytes });
        rmSync(path);
      }
      await until('the seed is recovered', () =>
        deviceOf(person)
          .recover({ backupName, pin })
          .then(
            () => true,
            (error: unknown) => {
              keepError(error);
              return false;
            },
          ),
      );
    }

  const processes = [...world.realms.processes].flatMap(([name, pid]) =>
    ['cmdline', 'environ'].map((file) => ({
      name: `${file} of ${name}`,
      bytes: readFileSync(`/proc/${pid}/${file}`),
    })),
  );
  const scan = (crashed: readonly Place[]) => {
    const places = [...errors, ...answers, ...processes, ...crashed, ...filesLeft()];
    const found = findSecrets(secrets, places).map((line) => line.split(', ')[0]!);
    // Those for realms pass through the memory of their hosts.
    for (const token of tokens)
      for (const { name, bytes } of places.filter((place) => !crashed.includes(place)))
        if (Buffer.from(bytes).includes(token.split('.')[2]!)) found.push(`${name}: token`);
    return [...new Set(found)];
  };
  context.diagnostic(
    `${errors.length} errors (${[...codes].sort().join(' ')}), ${answers.length} answers, ${tokens.size} tokens, ${filesLeft().length} files, ${crashes.map(({ name, bytes }) => `${name}: ${bytes.length} B`).join(', ')}`,
  );
  assert.deepEqual(scan(crashes), []);
  // The runs had something to leak: errors of every kind, answers of everybody, tokens.
  for (const code of ['pin-wrong', 'pin-malformed', 'invalid-pin', 'no-guesses', 'keeper-untrusted'])
    assert.ok(codes.has(code), `${code} among ${[...codes].join(' ')}`);
  assert.ok(tokens.size > 10);

  // The control: planted once in an error, an answer and a file, it is found there, in every form.
  for (const { name, bytes } of planted(secrets.share!))
    assert.ok(findSecrets(secrets, [{ name, bytes }]).length > 0, name);
  keepError(new Error(`the PIN is ${pin}`));
  await keepAnswer('a test', new Response(secrets.share!.slice()));
  const file = join(world.directory, 'planted');
  writeFileSync(file, [...tokens][0]!);
  assert.deepEqual(
    scan([]).sort(),
    [`error ${errors.length - 1}: pin`, 'answer of a test: share', `${file}: token`].sort(),
  );
});
