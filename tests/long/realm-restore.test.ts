import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { decodeResponse, encodeRequest, type SecretsRequest } from '@keystead/juicebox/messages';
import { guessOf, register2, registrationFor } from '@keystead/enclave-realm/testing/registrations';
import { tenantToken } from '../recovery/tokens.ts';
import { testTenant, withRealms } from '../recovery/with-realms.ts';

const realms = withRealms(1);
const limit = 5;
const realm = () => realms.running.realms[0]!;

/** The answer, or undefined when the realm refuses to serve. */
async function ask(user: string, request: SecretsRequest) {
  const token = tenantToken(testTenant, { user, realmId: realm().id });
  const response = await fetch(new URL('req', realm().address), {
    method: 'POST',
    headers: { 'x-juicebox-version': '0.3.7', authorization: `Bearer ${token}`, connection: 'close' },
    body: Uint8Array.from(encodeRequest(request)),
  });
  const body = new Uint8Array(await response.arrayBuffer());
  assert.ok(response.status === 200 || response.status === 503, String(response.status));
  return response.status === 200 ? decodeResponse(request.type, body) : undefined;
}

describe('the guess limit of a realm', () => {
  test('holds across restores of its database: an old one evaluates nothing, the newest the guesses that were left', async () => {
    const data = join(realms.homeOf(1), 'data');
    const copyOf = (guesses: number) => join(realms.directory, `copy-${guesses}`);
    const copy = (from: string, to: string) => {
      rmSync(to, { recursive: true, force: true });
      cpSync(from, to, { recursive: true });
    };
    const user = randomUUID();
    const registration = registrationFor(Buffer.from(realm().id, 'hex'), '1234', limit);
    assert.equal((await ask(user, register2(registration)))?.outcome, 'Ok');
    let evaluated = 0;
    const guess = async () => {
      const answer = await ask(user, guessOf('0', registration.version).request);
      if (answer !== undefined && 'evaluation' in answer) evaluated += 1;
    };
    for (let guesses = 0; guesses < limit - 1; guesses += 1) {
      await realms.restart(() => copy(data, copyOf(guesses)));
      await guess();
      assert.equal(evaluated, guesses + 1);
    }
    await realms.restart(() => copy(data, copyOf(limit - 1)));
    for (let guesses = 0; guesses < limit - 1; guesses += 1) {
      await realms.restart(() => copy(copyOf(guesses), data));
      assert.equal(realm().refusal, 'realm-database-old');
      await guess();
      assert.equal(evaluated, limit - 1);
    }
    await realms.restart(() => copy(copyOf(limit - 1), data));
    for (let attempt = 0; attempt < 2 * limit; attempt += 1) await guess();
    assert.equal(evaluated, limit);
    assert.equal((await ask(user, { type: 'Recover1' }))?.outcome, 'NoGuesses');
  });
});
