import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chacha20Poly1305Open } from '@keystead/crypto/aead';
import { mnemonicFromEntropy } from '@keystead/crypto/bip39';
import { base64urlDecode } from '@keystead/crypto/base64url';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexEncode } from '@keystead/crypto/hex';
import { joinSeed } from '@keystead/sdk/seedless/sealed-seed';
import { SeedlessError } from '@keystead/sdk/seedless/seedless-error';
import { exportBackup } from '@keystead/stack/export-record';
import { ShellSession } from '../cli/shell-session.ts';
import { attack, type Candidate, differentOf, everyPin, kindsOf, stealRealm } from '../recovery/attacker.ts';
import { withSeedless } from '../seedless/with-seedless.ts';

const world = withSeedless();
const backupName = 'main';
/** Four digits, so that the attacker can try them all. */
const pin = '0173';

test('neither the keeper with fewer realms than the threshold, nor all realms without the keeper, tell one PIN or seed from another; together they have it', async () => {
  const person = await world.person();
  const phone = world.device(person, { pinDigits: 4 });
  await phone.create({ backupName, pin });
  const phrase = await phone.exportPhrase({ backupName });
  const { organizationId } = person;
  const info = `${organizationId}/${backupName}`;
  const backup = await exportBackup(world.keeperHome, { organizationId, backupName });
  const order = world.realms.realms.map(({ id }) => id).sort();
  const stolen = world.realms.realms.map(({ number, id }) =>
    stealRealm(world.realmHome(number), order.indexOf(id) + 1),
  );

  const name = {
    organization: new Uint8Array(Buffer.from(organizationId.replaceAll('-', ''), 'hex')),
    backupName,
    generation: base64urlDecode(backup.generation),
  };
  const content = { share: base64urlDecode(backup.share), ciphertext: base64urlDecode(backup.ciphertext) };
  /** What the attacker has of the seed with the keeper's content, for each PIN: nothing, or the phrase. */
  const phrases = async (candidates: readonly Candidate[]) => {
    const found: string[] = [];
    for (const { secret } of candidates) {
      if (secret === undefined) continue;
      const seed = await joinSeed({ ...content, share: content.share.slice() }, secret, name);
      found.push(mnemonicFromEntropy(seed.expose()));
    }
    return found;
  };

  // The keeper and one realm: every PIN fails and passes the same tests.
  for (const realm of stolen) {
    const candidates = attack([realm], everyPin, info);
    assert.equal(differentOf(candidates), everyPin.length, 'one candidate for each PIN');
    assert.equal(kindsOf(candidates), 1);
    assert.deepEqual(await phrases(candidates), []);
  }
  // All realms, without the keeper: the PIN falls, and its share fits no seed more than another.
  const [found] = attack(stolen, everyPin, info).filter(({ secret }) => secret !== undefined);
  assert.equal(found?.pin, pin);
  const share = found!.secret!;
  assert.equal(share.length, 33);
  for (let guess = 0; guess < 200; guess += 1) {
    const other = crypto.getRandomValues(new Uint8Array(33));
    other[32] = (share[32]! % 255) + 1;
    await assert.rejects(joinSeed({ ...content, share: other }, share, name), SeedlessError);
  }
  assert.throws(
    () => chacha20Poly1305Open(share.slice(0, 32), new Uint8Array(12), new Uint8Array(0), content.ciphertext),
    CryptoError,
  );
  // The control: the same program with one realm more than the first case.
  assert.deepEqual(await phrases(attack(stolen.slice(0, 2), everyPin, info)), [phrase]);

  // Neither share nor ciphertext nor seed lies anywhere that can be read: not in databases, logs or heads logs.
  const entropy = (await phone.seed({ backupName })).expose();
  const canaries = [content.share, content.ciphertext, share, entropy].flatMap((bytes) => [
    Buffer.from(bytes),
    Buffer.from(hexEncode(bytes)),
    Buffer.from(Buffer.from(bytes).toString('base64').replace(/=+$/, '')),
    Buffer.from(Buffer.from(bytes).toString('base64url')),
  ]);
  canaries.push(Buffer.from(phrase));
  const leaks = () =>
    filesOf(world.directory).filter((path) => {
      const bytes = readFileSync(path);
      return canaries.some((canary) => bytes.includes(canary));
    });
  await world.restart(() => {
    assert.deepEqual(leaks(), []);
    const planted = join(world.directory, 'planted');
    writeFileSync(planted, Buffer.concat([Buffer.alloc(100), Buffer.from(content.share)]));
    assert.deepEqual(leaks(), [planted]);
  });
});

test('with every server stopped the commands rebuild the seed from the homes and the PIN', async () => {
  const person = await world.person();
  const phone = world.device(person, { stretch: (await import('@keystead/sdk/node/argon2')).stretch });
  await phone.create({ backupName, pin: '180361' });
  const phrase = await phone.exportPhrase({ backupName });
  const shell = new ShellSession();
  try {
    await Promise.all([world.stack.stop(), world.realms.stop()]);
    const run = async (line: string, code = 0) => {
      const printed = await shell.run(line);
      assert.equal(printed.code, code, printed.stderr);
      return printed.stdout;
    };
    const { user } = JSON.parse(
      await run(
        `keystead backup export --json --home ${world.keeperHome} --organization ${person.organizationId} --name ${backupName} --out b.json`,
      ),
    ) as { user: string };
    for (const number of [1, 2])
      await run(
        `keystead realm export --home ${world.realmHome(number)} --user ${user} --out r${number}.json`,
      );
    await run('umask 077; printf 180361 > pin; printf 180362 > wrong');
    const join = 'keystead recover-offline --backup b.json --realm r1.json';
    await run(`${join} --realm r2.json --file wrong --out phrase`, 1);
    await run(`${join} --file pin --out phrase`, 1);
    await run(`${join} --realm r2.json --file pin --out phrase`);
    assert.equal((await run('cat phrase')).trim(), phrase);
    assert.equal((await run('stat -c %a phrase b.json r1.json')).trim(), '600\n600\n600');
  } finally {
    shell.end();
  }
});

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}
