import { createHmac } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode } from '@keystead/crypto/hex';
import { nonZeroScalar } from '@keystead/crypto/ristretto255';
import { sha512 } from '@keystead/crypto/sha512';
import { parseConfiguration } from '@keystead/juicebox/configuration';
import { decodeResponse, encodeRequest, type SecretsRequest } from '@keystead/juicebox/messages';
import { blind, evaluateDirectly, oprfPrivateKey } from '@keystead/juicebox/oprf';
import { makeRegistrations } from '@keystead/juicebox/registration';
import { splitStretchedPin } from '@keystead/juicebox/stretched-pin';
import { unlockKeyOf, unlockKeyTag } from '@keystead/juicebox/tags';
import { developmentSettings } from '@keystead/stack/realm-tenant';
import { startRealms } from '@keystead/stack/start-realms';
import { fillRealm } from '@keystead/stack/testing/fill-realm';
import { cpuOf, proportionalSetSize } from './process-usage.ts';
import { say, table } from './table.ts';

const tenant = { name: 'bench', version: 1, secret: 'the secret of a tenant that measures' };
/** Of each realm, in the order in which they recover; so many are under way at once. */
const users = 1000;
const connections = 64;
const rounds = 5;
const parts = ['enclave', 'host', 'heads'] as const;

interface Round {
  /** Microseconds of CPU of one recovery, over all processes and by process. */
  readonly perRecovery: number;
  readonly byPart: readonly number[];
}

/**
 * Recoveries with the right PIN per second of one core, over all processes of one realm: each is Recover1, Recover2 and
 * Recover3 over HTTP, with its token checked every time, its guess counted durably and set back. Beside it a second realm
 * with many registrations; each round asks both, and each recovery is another user's.
 */
export async function recover(directory: string, words: readonly string[]): Promise<unknown> {
  const option = (name: string, otherwise: number) => {
    const at = words.indexOf(`--${name}`);
    return at < 0 ? otherwise : Number(words[at + 1]);
  };
  const perRound = option('recoveries', users);
  const registrations = option('registrations', 1_000_000);
  const places = [0, registrations]
    .filter((others, index) => index === 0 || others > 0)
    .map((others, index) => ({
      number: index + 1,
      home: join(directory, 'realms', String(index + 1)),
      heads: join(directory, `heads-${index + 1}`),
      port: 0,
      settings: () => developmentSettings(tenant),
      others,
    }));
  const founded = await startRealms({ realms: places });
  const ids = founded.realms.map(({ id }) => id);
  await founded.stop();
  const people = ids.map((id) => Array.from({ length: users }, (_, number) => person(`user-${number}`, id)));
  const fillSeconds: number[] = [];
  for (const [index, { home, heads, others }] of places.entries()) {
    const began = performance.now();
    await fillRealm({ home, heads, tenant: tenant.name, known: people[index]!, others });
    fillSeconds.push((performance.now() - began) / 1000);
    say(`realm ${index + 1}: ${others + users} registrations in ${fillSeconds[index]!.toFixed(1)} s`);
  }

  const began = performance.now();
  const realms = await startRealms({ realms: places });
  const startSeconds = (performance.now() - began) / 1000;
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  try {
    const measured: Round[][] = places.map(() => []);
    for (let round = 0; round < rounds; round += 1)
      for (const [index, { address }] of realms.realms.entries())
        measured[index]!.push(await recoverAll(realms, index, people[index]!, perRound, agent, address));
    const medians = measured.map(
      (all) => all.toSorted((a, b) => a.perRecovery - b.perRecovery)[rounds >> 1]!,
    );
    const memory = places.map(({ number }) =>
      parts.map((part) => proportionalSetSize(realms.processes.get(`realm-${number}-${part}`) ?? 0)),
    );
    table(
      ['process', ...places.flatMap(({ others }) => [`${others + users}: CPU per recovery, us`, 'PSS, MiB'])],
      parts.map((part, at) => [
        part,
        ...medians.flatMap(({ byPart }, index) => [
          byPart[at]!.toFixed(0),
          (memory[index]![at]! / 1024 / 1024).toFixed(1),
        ]),
      ]),
    );
    const perCoreSecond = medians.map(({ perRecovery }) => 1_000_000 / perRecovery);
    say(
      `recoveries per second and core: ${perCoreSecond.map((each) => each.toFixed(0)).join(', ')} (goal: 400)`,
    );
    const [small, large] = medians;
    const growth = large === undefined ? undefined : large.perRecovery / small!.perRecovery;
    if (growth !== undefined)
      say(`cost with ${registrations} registrations more: ${growth.toFixed(3)} (goal: 0.85 to 1.15)`);
    return {
      recoveriesPerCoreSecond: perCoreSecond,
      ...{ growth, fillSeconds, startSeconds, measured, memory },
    };
  } finally {
    agent.destroy();
    await realms.stop();
  }
}

async function recoverAll(
  realms: Pick<Awaited<ReturnType<typeof startRealms>>, 'processes'>,
  index: number,
  people: readonly ReturnType<typeof person>[],
  count: number,
  agent: Agent,
  address: string,
): Promise<Round> {
  const before = cpuOf(realms.processes);
  let begun = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (begun < count) {
        const { token, guess, unlock } = people[begun++ % people.length]!;
        await send(agent, address, token, { type: 'Recover1' });
        await send(agent, address, token, guess);
        const last = await send(agent, address, token, unlock);
        if (!('unlocked' in last)) throw new Error('a recovery did not succeed');
      }
    }),
  );
  const after = cpuOf(realms.processes);
  const byPart = parts.map((part) => {
    const name = `realm-${index + 1}-${part}` as const;
    return ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / count;
  });
  return { perRecovery: byPart.reduce((sum, each) => sum + each, 0), byPart };
}

/** A registration with everything that its owner sends, made before anything is measured. */
function person(user: string, realmId: string) {
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const version = random(16);
  const pin = () => splitStretchedPin(sha512(utf8Encode(user)));
  const [registration] = makeRegistrations({
    configuration: parseConfiguration({
      realms: [{ id: realmId, address: 'http://127.0.0.1/' }],
      register_threshold: 1,
      recover_threshold: 1,
      pin_hashing_mode: 'FastInsecure',
    }),
    version,
    pin: pin(),
    secret: random(33),
    guesses: 100,
    random,
  });
  const { accessKey } = pin();
  const { key } = unlockKeyOf(evaluateDirectly(oprfPrivateKey(registration!.oprfPrivateKey), accessKey));
  const blindedInput = blind(accessKey, nonZeroScalar(random(64))).input;
  return {
    user,
    token: token(user, realmId),
    registration: registration!,
    guess: { type: 'Recover2', version, blindedInput } satisfies SecretsRequest,
    unlock: {
      type: 'Recover3',
      version,
      unlockKeyTag: unlockKeyTag(key, hexDecode(realmId)),
    } satisfies SecretsRequest,
  };
}

function token(user: string, realmId: string): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: 'HS256', kid: `${tenant.name}:${tenant.version}`, typ: 'JWT' })}.${part({
    ...{ iss: tenant.name, sub: user, aud: realmId, iat: now, nbf: now, exp: now + 3600, scope: 'user' },
  })}`;
  return `${signed}.${createHmac('sha256', tenant.secret).update(signed).digest('base64url')}`;
}

function send(agent: Agent, address: string, bearer: string, message: SecretsRequest) {
  const body = encodeRequest(message);
  return new Promise<ReturnType<typeof decodeResponse>>((resolve, reject) => {
    const sent = httpRequest(new URL('req', address), {
      agent,
      method: 'POST',
      headers: {
        authorization: `Bearer ${bearer}`,
        'x-juicebox-version': '0.3.7',
        'content-length': body.length,
      },
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}`));
        resolve(decodeResponse(message.type, new Uint8Array(Buffer.concat(chunks))));
      });
    });
    sent.end(body);
  });
}
