import assert from 'node:assert/strict';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { decodeResponse, encodeRequest, type SecretsRequest } from '@keystead/juicebox/messages';
import { guessOf, register2, registrationFor } from '@keystead/enclave-realm/testing/registrations';
import { tenantToken } from '../recovery/tokens.ts';
import { testTenant, withRealms } from '../recovery/with-realms.ts';

const realms = withRealms(1);
const limit = 5;
const kills = 50;
const users = 24;

const realm = () => realms.running.realms[0]!;

/** The answer, or undefined when none came or it was no answer. */
async function ask(user: string, request: SecretsRequest) {
  const token = tenantToken(testTenant, { user, realmId: realm().id });
  try {
    const response = await fetch(new URL('req', realm().address), {
      method: 'POST',
      headers: { 'x-juicebox-version': '0.3.7', authorization: `Bearer ${token}`, connection: 'close' },
      body: Uint8Array.from(encodeRequest(request)),
      signal: AbortSignal.timeout(30_000),
    });
    const body = new Uint8Array(await response.arrayBuffer());
    return response.status === 200 ? decodeResponse(request.type, body) : undefined;
  } catch {
    return undefined;
  }
}

async function sure(user: string, request: SecretsRequest) {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const answer = await ask(user, request);
    if (answer !== undefined) return answer;
    assert.ok(performance.now() < deadline, realms.logged().slice(-3000));
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

describe('the guess limit of a realm', () => {
  test(`holds through ${kills} kills of its processes at any moment, and nothing acknowledged is lost`, async (context) => {
    const seed = randomBytes(4).toString('hex');
    context.diagnostic(`run ${seed}`);
    const registered: { user: string; version: Uint8Array; evaluated: number }[] = [];
    const one = async () => {
      const user = randomUUID();
      const registration = registrationFor(Buffer.from(realm().id, 'hex'), '1234', limit);
      await sure(user, register2(registration));
      const entry = { user, version: registration.version, evaluated: 0 };
      registered.push(entry);
      for (;;) {
        // Three at once, so that a kill meets guesses in every state.
        const answers = await Promise.all(
          Array.from({ length: 3 }, () => ask(user, guessOf('0', entry.version).request)),
        );
        entry.evaluated += answers.filter((answer) => answer !== undefined && 'evaluation' in answer).length;
        if (answers.some((answer) => answer?.outcome === 'NoGuesses')) return;
        assert.ok(
          answers.every((answer) => answer?.outcome !== 'NotRegistered'),
          'an acknowledged registration is there',
        );
      }
    };
    let killed = 0;
    let isOver = false;
    const guessing = async () => {
      while (!isOver || registered.length < users) await one();
    };
    const killing = async () => {
      const names = ['realm-1-enclave', 'realm-1-host', 'realm-1-heads', 'realm-launcher'] as const;
      while (killed < kills) {
        await new Promise((wake) => setTimeout(wake, randomInt(50, 600)));
        const name = names[randomInt(names.length)]!;
        if (!realms.running.processes.has(name)) continue;
        realms.running.kill(name);
        killed += 1;
        if (killed % 5 === 0) await sure(randomUUID(), { type: 'Recover1' });
      }
      isOver = true;
    };
    await Promise.all([killing(), guessing(), guessing()]);
    context.diagnostic(`${registered.length} registrations, ${killed} kills`);
    for (const { user, evaluated } of registered) {
      assert.ok(evaluated <= limit, `${evaluated} evaluations`);
      assert.equal((await sure(user, { type: 'Recover1' })).outcome, 'NoGuesses');
    }
    assert.equal(killed, kills);
    // Negative control: guesses were evaluated at all.
    assert.ok(registered.some(({ evaluated }) => evaluated > 0));
  });
});
