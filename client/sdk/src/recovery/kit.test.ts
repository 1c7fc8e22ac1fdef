import assert from 'node:assert/strict';
import { argon2Sync, createDecipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { printGroups } from '@keystead/protocol/printed-groups';
import { stretch } from '../node/argon2.ts';
import { stretchHere } from './argon2-here.ts';
import { makeRecoveryKit, openRecoveryKit, sealKit } from './kit.ts';
import { type KitAbout, printPage } from './kit-page.ts';
import { RecoveryError } from './recovery-error.ts';

interface Vector {
  readonly entropy: string;
  readonly about: KitAbout;
  readonly passphrase: string;
  readonly salt: string;
  readonly kit: string;
  readonly printedPassphrase: string;
  readonly page: string;
}
const { kits } = JSON.parse(
  readFileSync(new URL('../../../../vectors/keystead/recovery-kit.json', import.meta.url), 'utf8'),
) as { readonly kits: readonly Vector[] };

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
/** Argon2id with the least it takes: what is tested is not how long it takes. */
const fast: typeof stretch = (input) => stretch({ ...input, memoryKibibytes: 8, iterations: 1 });

const about: KitAbout = {
  name: 'main',
  made: '2026-11-28',
  accounts: [{ path: "m/44'/60'/0'/0/0", address: '0x9858EfFD232B4033E47d90003D41EC34EcaEda94' }],
};
const clock = () => Date.parse(`${about.made}T12:00:00Z`);
const entropy = new SecretBytes(random(16));
const kit = await makeRecoveryKit({ entropy, ...about, stretch: fast, clock });
const open = (page: string, passphrase: string | Uint8Array = kit.passphrase) =>
  openRecoveryKit({ page, passphrase, stretch: fast });
const fails = (code: string, group?: number) => (error: unknown) =>
  error instanceof RecoveryError && error.code === code && error.group === group;
/** The ten characters of each group. */
const groupsOf = (text: string) => text.match(/[0-9A-Z]{5}-[0-9A-Z]{5}/g)!;
const groups = groupsOf(kit.page);

/** As spec/recovery-kit.md and the page itself say, with nothing of ours. */
function openByTheBook(page: string, printedPassphrase: string): Uint8Array {
  const bytesOf = (text: string) => {
    const bits = groupsOf(text)
      .flatMap((group) => [...group.replace('-', '').slice(0, 8)])
      .map((symbol) => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.indexOf(symbol).toString(2).padStart(5, '0'))
      .join('');
    return Buffer.from(bits.match(/.{8}/g)!.map((octet) => Number.parseInt(octet, 2)));
  };
  const bytes = bytesOf(page);
  const key = argon2Sync('argon2id', {
    message: bytesOf(printedPassphrase),
    nonce: bytes.subarray(1, 17),
    parallelism: 1,
    tagLength: 64,
    memory: 65_536,
    passes: 3,
  }).subarray(0, 32);
  const decipher = createDecipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: 16 });
  decipher.setAAD(Buffer.concat([Buffer.from('keystead/recovery-kit/v1\0'), bytes.subarray(0, 17)]), {
    plaintextLength: 41,
  });
  decipher.setAuthTag(bytes.subarray(58, 74));
  const plain = Buffer.concat([decipher.update(bytes.subarray(17, 58)), decipher.final()]);
  const check = createHash('sha256').update('keystead/recovery-kit-check/v1\0').update(bytes.subarray(0, 74));
  assert.deepEqual(bytes.subarray(74), check.digest().subarray(0, 6));
  return new Uint8Array(plain.subarray(9, 9 + plain[8]!));
}

describe('a recovery kit', () => {
  for (const vector of kits)
    test(`of ${vector.entropy.length / 2} bytes is as the vectors say, and opens by what its page says alone`, async () => {
      const { about: said, page, printedPassphrase } = vector;
      const made = await sealKit({
        entropy: new SecretBytes(hex(vector.entropy)),
        about: said,
        passphrase: hex(vector.passphrase),
        salt: hex(vector.salt),
      });
      assert.equal(Buffer.from(made).toString('hex'), vector.kit);
      assert.equal(printPage(made, said), page);
      assert.deepEqual(openByTheBook(page, printedPassphrase), hex(vector.entropy));
    });

  test('that Node’s Argon2 made opens with that of browsers', async () => {
    const { page, printedPassphrase: passphrase, entropy: expected, about: said } = kits[0]!;
    const opened = await openRecoveryKit({ page, passphrase, stretch: stretchHere });
    assert.deepEqual(opened.entropy.expose(), hex(expected));
    assert.deepEqual(opened.about, said);
  });

  test('holds the seed for whoever has page and passphrase, however they were typed, and says nothing of it otherwise', async () => {
    const typed = [
      kit.page,
      kit.page.replaceAll('\n', '\r\n'),
      groups.join(' '),
      groups.join('\n').toLowerCase().replaceAll('0', 'o').replaceAll('1', 'l'),
    ];
    for (const page of typed) {
      const opened = await open(page);
      assert.deepEqual(opened.entropy.expose(), entropy.expose());
      assert.deepEqual(opened.about, page.includes('BEGIN') ? about : undefined);
    }
    const loose = kit.passphrase
      .replaceAll(/[- ]+/g, '')
      .replace(/(.{10})(?=.)/g, '$1 ')
      .toLowerCase();
    assert.deepEqual((await open(kit.page, loose)).entropy.expose(), entropy.expose());
    assert.deepEqual((await open(kit.page, Buffer.from(`${loose}\n`))).entropy.expose(), entropy.expose());
    assert.ok(!kit.page.includes(kit.passphrase.slice(0, 11)));
    assert.ok(!JSON.stringify([...Buffer.from(kit.page)]).includes(String([...entropy.expose()])));
  });

  test('does not open with the passphrase of another kit, of the same seed either', async () => {
    const other = await makeRecoveryKit({ entropy, ...about, stretch: fast, clock });
    assert.notEqual(other.passphrase, kit.passphrase);
    await assert.rejects(open(kit.page, other.passphrase), fails('kit-passphrase-wrong'));
    await assert.rejects(open(other.page), fails('kit-passphrase-wrong'));
    assert.deepEqual((await open(other.page, other.passphrase)).entropy.expose(), entropy.expose());
  });

  test('names the group of page or passphrase that is mistyped, misplaced or missing', async () => {
    const wrong = (text: string) => `${text.slice(0, 3)}${text[3] === '7' ? '8' : '7'}${text.slice(4)}`;
    for (const index of [0, 7, 15])
      await assert.rejects(
        open(kit.page.replace(groups[index]!, wrong(groups[index]!))),
        fails('kit-mistyped', index + 1),
      );
    const swapped = groups.with(2, groups[3]!).with(3, groups[2]!);
    await assert.rejects(open(swapped.join(' ')), fails('kit-mistyped', 3));
    await assert.rejects(open(groups.slice(0, 15).join(' ')), fails('kit-mistyped', 16));
    await assert.rejects(open([...groups, groups[0]].join(' ')), fails('kit-malformed'));
    const words = groupsOf(kit.passphrase);
    await assert.rejects(
      open(kit.page, words.with(1, wrong(words[1]!)).join(' ')),
      fails('kit-passphrase-mistyped', 2),
    );
    await assert.rejects(open(kit.page, words.slice(0, 3).join(' ')), fails('kit-passphrase-mistyped', 4));
    await assert.rejects(open(kit.page, ''), fails('kit-passphrase-mistyped', 1));
    // Groups of two kits are each right, and no kit.
    const other = await makeRecoveryKit({ entropy, ...about, stretch: fast, clock });
    const mixed = [...groups.slice(0, 8), ...groupsOf(other.page).slice(8)];
    await assert.rejects(open(mixed.join(' ')), fails('kit-malformed'));
    for (const page of ['', 'x'.repeat(70_000)]) await assert.rejects(open(page), RecoveryError);
  });

  test('with a line that says something else than when it was made does not open, and without any it does', async () => {
    const address = about.accounts[0]!.address;
    const changes: readonly (readonly [string, string])[] = [
      [address, `0x${'00'.repeat(20)}`],
      ['name: main', 'name: other'],
      ['made: 2026-11-28', 'made: 2026-11-29'],
      ['name: main\n', ''],
      [`account: ${about.accounts[0]!.path} ${address}\n`, ''],
      ['name: main', 'name: main\nname: main'],
      ['account: m', 'account: '],
    ];
    for (const [from, to] of changes) {
      assert.ok(kit.page.includes(from));
      await assert.rejects(open(kit.page.replace(from, to)), fails('kit-altered'), to);
    }
    const without = kit.page.replace(/^(name|made|account): .*\n/gm, '');
    assert.deepEqual((await open(without)).entropy.expose(), entropy.expose());
  });

  test('of a byte that was altered and a check that was made to fit does not open: the cipher authenticates', async () => {
    const passphrase = random(20);
    const printed = new TextDecoder().decode(printGroups(passphrase, 'line'));
    const sealed = await sealKit({ entropy, about, passphrase, salt: random(16), stretch: fast });
    const forged = (at: number) => {
      const bytes = sealed.with(at, sealed[at]! ^ 3);
      const check = createHash('sha256')
        .update('keystead/recovery-kit-check/v1\0')
        .update(bytes.subarray(0, 74));
      bytes.set(check.digest().subarray(0, 6), 74);
      return open(printPage(bytes, about), printed);
    };
    for (const at of [1, 20, 60]) await assert.rejects(forged(at), fails('kit-passphrase-wrong'));
    await assert.rejects(forged(0), /version 2/);
    assert.deepEqual((await open(printPage(sealed, about), printed)).about, about);
  });

  test('is not made of what is no seed, or of words that a page cannot carry', async () => {
    const make = (changed: object) =>
      makeRecoveryKit({ entropy, name: 'main', stretch: fast, clock, ...changed });
    const path = "m/44'/60'/0'/0/0";
    for (const changed of [
      { entropy: new SecretBytes(random(15)) },
      { name: '' },
      { name: 'a\naccount: x y' },
      { name: 'x'.repeat(65) },
      { accounts: [{ path, address: '0x00 0x01' }] },
      { accounts: [{ path, address: '' }] },
      { accounts: Array.from({ length: 17 }, () => ({ path, address: '0x00' })) },
    ])
      await assert.rejects(make(changed), fails('input-refused'), JSON.stringify(changed));
    await make({ accounts: [{ path, address: '0x00' }] });
  });

  test('that does not open as it was printed is not handed out', async () => {
    let calls = 0;
    const broken: typeof stretch = async (input) => {
      const stretched = await fast(input);
      stretched[0]! ^= calls++;
      return stretched;
    };
    await assert.rejects(
      makeRecoveryKit({ entropy, ...about, stretch: broken, clock }),
      fails('kit-passphrase-wrong'),
    );
  });
});
