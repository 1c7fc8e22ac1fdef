import assert from 'node:assert/strict';
import { test } from 'node:test';
import { portableGroup } from '@keystead/crypto/ristretto255';
import { createBesideBoot } from '@keystead/enclave-runtime/beside-boot';
import { BootError } from '@keystead/enclave-runtime/boot';
import { type FromEnclave, ToEnclave } from '@keystead/enclave-runtime/control';
import { realmKind } from './boot.ts';

type Profile = 'development' | 'production';

const unlockKey = () => new Uint8Array(32).fill(7);
const settings = (guesses: object) =>
  JSON.stringify({ tenants: { acme: { keys: { '1': 'a secret of the tenant' }, guesses } } });

/** A realm's boot with nothing around it. */
function boot() {
  const answers: FromEnclave[] = [];
  const logged: string[] = [];
  const { receive } = createBesideBoot(realmKind, {
    log: (event, fields) => void logged.push(`${event}: ${String(fields?.detail)}`),
    answer: (message) => void answers.push(message),
    run: (create) => {
      // Its stored world is never read here.
      const heads = {
        load: () => new Promise<never>(() => {}),
        append: async () => {},
        snapshot: async () => {},
      };
      create({ heads: () => heads, prepared: portableGroup });
      return {};
    },
  });
  const send = (message: ToEnclave) => receive(ToEnclave.encode(message));
  return { send, answers, logged };
}

function unlocked(profile: Profile, text: string) {
  const maker = boot();
  maker.send({ type: 'makeRealm', unlockKey: unlockKey() });
  const [sealed] = maker.answers;
  assert.ok(sealed?.type === 'sealed');
  const realm = boot();
  const measurement = new Uint8Array(48);
  realm.send({
    type: 'unlockRealm',
    ...{ unlockKey: unlockKey(), record: sealed.record, settings: text, profile, measurement },
  });
  assert.equal(realm.answers.at(-1)?.type, 'realm');
  return realm;
}

test('only a realm in development lets a tenant allow fewer than 3 or more than 20 guesses, at unlock and while it runs', () => {
  const within = settings({ minimum: 3, maximum: 20 });
  const beyond = [
    ['minimum', settings({ minimum: 2 })],
    ['maximum', settings({ maximum: 21 })],
  ] as const;
  const inProduction = unlocked('production', within);
  const inDevelopment = unlocked('development', within);
  unlocked('development', settings({ minimum: 1, maximum: 100 }));
  for (const [member, text] of beyond) {
    unlocked('development', text);
    assert.throws(
      () => unlocked('production', text),
      (error) =>
        error instanceof BootError &&
        error.code === 'settings-refused' &&
        error.message.includes(`tenants.acme.guesses.${member}`),
    );
    inProduction.send({ type: 'configureRealm', settings: text });
    assert.match(inProduction.logged.pop() ?? '', new RegExp(`^settings-refused: .*guesses.${member}`));
    inDevelopment.send({ type: 'configureRealm', settings: text });
    assert.deepEqual(inDevelopment.logged, []);
  }
  inProduction.send({ type: 'configureRealm', settings: within });
  assert.deepEqual(inProduction.logged, []);
});
