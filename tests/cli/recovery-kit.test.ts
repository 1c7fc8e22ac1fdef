import { refusedHosts } from '../loopback-only.ts';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { HDNodeWallet } from 'ethers';
import { mnemonicFromEntropy } from '@keystead/crypto/bip39';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { makeRecoveryKit } from '@keystead/sdk/recovery';
import { keystead } from '../unlock/operator-commands.ts';

const folder = mkdtempSync(join(tmpdir(), 'keystead-kit-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const ethereumPath = "m/44'/60'/0'/0/0";
const entropy = new SecretBytes(crypto.getRandomValues(new Uint8Array(16)));
const phrase = mnemonicFromEntropy(entropy.expose());
const { address } = HDNodeWallet.fromPhrase(phrase);
const kit = await makeRecoveryKit({ entropy, name: 'main', accounts: [{ path: ethereumPath, address }] });

let files = 0;
function file(content: string): string {
  const path = join(folder, String(files++));
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

async function recover(page: string, passphrase: string, code = 0) {
  const out = join(folder, `phrase-${files++}`);
  const words = ['recover-offline', '--kit', file(page), '--out', out, '--json'];
  const ran = await keystead(folder, words, `${passphrase}\n`);
  assert.equal(ran.code, code, ran.err);
  const said = () => JSON.parse(ran.out) as { accounts: { path: string; address: string; stated: string }[] };
  const isWritten = statSync(out, { throwIfNoEntry: false }) !== undefined;
  return { ...ran, said, written: isWritten ? readFileSync(out, 'utf8') : undefined, out, stdout: ran.out };
}

test('keystead recover-offline --kit gives the phrase of a kit into a private file, with no connection, and compares its accounts', async () => {
  const { written, said, out, stdout, err } = await recover(kit.page, kit.passphrase);
  assert.equal(written, `${phrase}\n`);
  assert.equal(statSync(out).mode & 0o777, 0o600);
  assert.deepEqual(said().accounts, [{ path: ethereumPath, address, stated: address }]);
  const secret = phrase.split(' ').slice(0, 3).join(' ');
  assert.ok(!`${stdout}${err}`.includes(secret) && !`${stdout}${err}`.includes(kit.passphrase.slice(0, 11)));
  assert.deepEqual(refusedHosts(), []);
});

test('groups that were typed from paper are enough, and the seed’s first accounts are shown to compare', async () => {
  const groups = kit.page.match(/^ ?\d+: .*$/gm)!.join('\n');
  const { written, said } = await recover(groups.toLowerCase(), kit.passphrase.toLowerCase());
  assert.equal(written, `${phrase}\n`);
  assert.deepEqual(said().accounts[0], { path: ethereumPath, address, stated: null });
});

test('a mistyped group, a wrong passphrase or a changed page write nothing and say what to do', async () => {
  const other = await makeRecoveryKit({ entropy, name: 'main' });
  const [group] = /^ 1: (\S+)/m.exec(kit.page)!.slice(1) as [string];
  const mistyped = `${group.slice(0, -1)}${group.endsWith('7') ? '8' : '7'}`;
  const cases: readonly (readonly [page: string, passphrase: string, said: RegExp])[] = [
    [kit.page.replace(group, mistyped), kit.passphrase, /group 1 is mistyped/],
    [kit.page, kit.passphrase.slice(0, -12), /the passphrase: .*ends after group 3 of 4/],
    [kit.page, other.passphrase, /kit-passphrase-wrong/],
    [kit.page.replace(address, `0x${'00'.repeat(20)}`), kit.passphrase, /kit-altered[\s\S]*groups alone/],
    ['nothing', kit.passphrase, /kit-mistyped/],
  ];
  for (const [page, passphrase, expected] of cases) {
    const { written, err } = await recover(page, passphrase, 1);
    assert.match(err, expected);
    assert.equal(written, undefined);
  }
});

test('a page that names an account which is not the seed’s ends with 1, and still gives the seed', async () => {
  const accounts = [
    { path: "m/44'/60'/0'/0/1", address },
    { path: "m/7'/7'", address: 'unknown' },
  ];
  const odd = await makeRecoveryKit({ entropy, name: 'main', accounts });
  const { written, err, said } = await recover(odd.page, odd.passphrase, 1);
  assert.equal(written, `${phrase}\n`);
  assert.match(err, /not every account of its page is the seed/);
  assert.deepEqual([said().accounts[0]!.stated, said().accounts[1]!.address], [address, null]);
});

test('the phrase is not shown where nobody can confirm it, and a kit is not mixed with exports', async () => {
  const page = file(kit.page);
  const unasked = await keystead(folder, ['recover-offline', '--kit', page], kit.passphrase);
  assert.equal(unasked.code, 1);
  assert.match(unasked.err, /not confirmed/);
  assert.ok(!unasked.out.includes(phrase.split(' ')[0]!));
  const mixed = await keystead(folder, ['recover-offline', '--kit', page, '--backup', page], kit.passphrase);
  assert.equal(mixed.code, 2);
});
