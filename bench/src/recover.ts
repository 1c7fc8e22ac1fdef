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
import { cpuOf, proportionalSetSize } from './process-usage.ts';
import { say, table } from './table.ts';

const tenant = { name: 'bench', version: 1, secret: 'the secret of a tenant that measures' };
const users = 64;
const parts = ['enclave', 'host', 'heads'] as const;

/**
 * Recoveries with the right PIN per second of one core, over all processes of one realm: each is Recover1, Recover2 and
 * Recover3 over HTTP, with its token checked every time, its guess counted durably and set back.
 */
export async function recover(directory: string, words: readonly string[]): Promise<unknown> {
  const at = words.indexOf('--recoveries');
  const perRound = at < 0 ? 2000 : Number(words[at + 1]);
  const realms = await startRealms({
    realms: [
      {
        number: 1,
        home: join(directory, 'realm'),
        heads: join(directory, 'heads'),
        port: 0,
        settings: () => developmentSettings(tenant),
      },
    ],
  });
  const agent = new Agent({ keepAlive: true, maxSockets: users });
  try {
    const { id, address } = realms.realms[0]!;
    const people = Array.from({ length: users }, (_, number) => person(`user-${number}`, id));
    const ask = (token: string, request: SecretsRequest) => send(agent, address, token, request);
    for (const { token, registration } of people) await ask(token, { type: 'Register2', registration });
    const rounds: { perCore: number; byPart: number[] }[] = [];
    for (let round = 0; round < 5; round += 1) {
      const before = cpuOf(realms.processes);
      let left = perRound;
      await Promise.all(
        people.map(async ({ token, guess, unlock }) => {
          while (left > 0) {
            left -= 1;
            await ask(token, { type: 'Recover1' });
            await ask(token, guess);
            const last = await ask(token, unlock);
            if (!('unlocked' in last)) throw new Error('a recovery did not succeed');
          }
        }),
      );
      const after = cpuOf(realms.processes);
      const byPart = parts.map((part) => {
        const name = `realm-1-${part}` as const;
        return ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / perRound;
      });
      rounds.push({ perCore: 1_000_000 / byPart.reduce((sum, each) => sum + each, 0), byPart });
    }
    const median = rounds.sort((a, b) => a.perCore - b.perCore)[2]!;
    const memory = parts.map((part) => proportionalSetSize(realms.processes.get(`realm-1-${part}`) ?? 0));
    table(
      ['process', 'CPU per recovery, us', 'PSS, MiB'],
      parts.map((part, index) => [
        part,
        median.byPart[index]!.toFixed(0),
        (memory[index]! / 1024 / 1024).toFixed(1),
      ]),
    );
    say(`recoveries per second and core: ${median.perCore.toFixed(0)} (goal: 400)`);
    return { recoveriesPerCoreSecond: median.perCore, rounds, memory };
  } finally {
    agent.destroy();
    await realms.stop();
  }
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
