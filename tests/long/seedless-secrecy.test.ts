import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chacha20Poly1305Open } from '@keystead/crypto/aead';
import { mnemonicFromEntropy } from '@keystead/crypto/bip39';
import { base64urlDecode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexEncode } from '@keystead/crypto/hex';
import { pinInfo } from '@keystead/sdk/seedless/pin-info';
import { joinSeed } from '@keystead/sdk/seedless/sealed-seed';
import { SeedlessError } from '@keystead/sdk/seedless/seedless-error';
import { exportBackup } from '@keystead/stack/export-record';
import { ShellSession } from '../cli/shell-session.ts';
import { attack, type Candidate, differentOf, everyPin, kindsOf, stealRealm } from '../recovery/attacker.ts';
import { runWeakened } from '../run-weakened.ts';
import { withSeedless } from '../seedless/with-seedless.ts';

const world = withSeedless();
const backupName = 'main';
/** Four digits, so that the attacker can try them all. */
const pin = '0173';

/** One person's backup, and what each part falls with: its directory with the key that opens it. */
async function stolenBackup() {
  const person = await world.person();
  const phone = world.device(person, { pinDigits: 4 });
  await phone.create({ backupName, pin });
  const phrase = await phone.exportPhrase({ backupName });
  const entropy = (await phone.seed({ backupName })).expose().slice();
  const { organizationId } = person;
  const order = world.realms.realms.map(({ id }) => id).sort();
  const realms = world.realms.realms.map(({ number, id }) =>
    stealRealm(world.realmHome(number), order.indexOf(id) + 1),
  );
  const backup = await exportBackup(world.keeperHome, { organizationId, backupName });
  const name = {
    organization: new Uint8Array(Buffer.from(organizationId.replaceAll('-', ''), 'hex')),
    backupName,
    generation: base64urlDecode(backup.generation),
  };
  const content = { share: base64urlDecode(backup.share), ciphertext: base64urlDecode(backup.ciphertext) };
  const pepper = base64urlDecode(backup.pepper);
  return { organizationId, phrase, entropy, realms, name, content, pepper };
}
let made: ReturnType<typeof stolenBackup> | undefined;
const stolen = () => (made ??= stolenBackup());

/** What the attacker has of the seed with the keeper's content, for each PIN: nothing, or the phrase. */
async function phrasesOf(candidates: readonly Candidate[]): Promise<string[]> {
  const { content, name } = await stolen();
  const found: string[] = [];
  for (const { secret } of candidates) {
    if (secret === undefined) continue;
    const seed = await joinSeed({ ...content, share: content.share.slice() }, secret, name);
    found.push(mnemonicFromEntropy(seed.expose()));
  }
  return found;
}

function assertNoneTold(candidates: readonly Candidate[]): void {
  assert.equal(differentOf(candidates), everyPin.length, 'one candidate for each PIN');
  assert.equal(kindsOf(candidates), 1, 'every PIN fails and passes the same tests');
  assert.ok(candidates.every(({ secret }) => secret === undefined));
}

test('the keeper with fewer realms than the threshold tells no PIN or seed from another; with one realm more it has the seed', async () => {
  const { realms, name, pepper, phrase } = await stolen();
  const info = pinInfo(name, pepper);
  for (const realm of realms) {
    const candidates = attack([realm], everyPin, info);
    assertNoneTold(candidates);
    assert.deepEqual(await phrasesOf(candidates), []);
  }
  // The control: the same program with one realm more.
  assert.deepEqual(await phrasesOf(attack(realms.slice(0, 2), everyPin, info)), [phrase]);
});

test('all realms without the keeper tell no PIN or seed from another; with what the keeper holds they have the seed', async () => {
  const { organizationId, realms, name, content, pepper, phrase, entropy } = await stolen();
  assert.equal(realms.length, 3);
  // They know whose backup it is, and what the PIN was hashed with but for the pepper.
  const peppers = [new Uint8Array(0), crypto.getRandomValues(new Uint8Array(32))];
  for (const info of [
    utf8Encode(`${organizationId}/${backupName}`),
    ...peppers.map((guess) => pinInfo(name, guess)),
  ])
    assertNoneTold(attack(realms, everyPin, info));

  // Nothing that they hold is the pepper, or has it in it: with the right PIN at the first try, too.
  const held = [pepper, content.share.slice(0, 32), entropy].map((bytes) => Buffer.from(bytes));
  for (const { id, registration } of realms) {
    const encoded = utf8Encode(
      JSON.stringify(registration, (_name, value: unknown) =>
        value instanceof Uint8Array ? hexEncode(value) : value,
      ),
    );
    const everything = Buffer.concat([id, encoded, ...bytesIn(registration)]);
    for (const secret of held) {
      assert.ok(!everything.includes(secret));
      assert.ok(!everything.includes(secret.toString('hex')));
    }
    for (const field of bytesIn(registration))
      for (let from = 0; from + 32 <= field.length; from += 1) {
        const [candidate] = attack(realms, [pin], pinInfo(name, field.slice(from, from + 32)));
        assert.ok(!candidate!.tests.includes(true));
      }
  }

  // The control: the same program with the pepper has PIN and share, and with the rest of the content the seed.
  const candidates = attack(realms, everyPin, pinInfo(name, pepper));
  assert.equal(kindsOf(candidates), 2);
  const [found] = candidates.filter(({ secret }) => secret !== undefined);
  assert.equal(found?.pin, pin);
  assert.deepEqual(await phrasesOf(candidates), [phrase]);

  // Even so the share alone fits no seed more than another.
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
});

for (const [derivation, body] of [
  ['of everything but the pepper', 'pepper = new Uint8Array(0);'],
  [
    'of organization and name alone',
    `const id = Buffer.from(organization).toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
     return utf8Encode(id + '/' + backupName);`,
  ],
] as const)
  test(`a PIN that is hashed ${derivation} falls to all realms: the test before sees it`, async () => {
    const { failed, output } = await runWeakened(
      [{ file: 'client/sdk/src/seedless/pin-info.ts', name: 'pinInfo', body }],
      { file: import.meta.filename, pattern: '^all realms without the keeper' },
    );
    assert.ok(failed, output);
    assert.match(output, /every PIN fails and passes the same tests/);
  });

test('neither share nor ciphertext nor pepper nor seed lies anywhere that can be read: not in databases, logs or heads logs', async () => {
  const { content, pepper, entropy, phrase, realms, name } = await stolen();
  const [found] = attack(realms, [pin], pinInfo(name, pepper));
  const canaries = [content.share, content.ciphertext, pepper, found!.secret!, entropy].flatMap((bytes) => [
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
    rmSync(planted);
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

/** Every field of bytes of a registration. */
const bytesIn = (value: unknown): Uint8Array[] =>
  value instanceof Uint8Array
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(bytesIn)
      : [];

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}
