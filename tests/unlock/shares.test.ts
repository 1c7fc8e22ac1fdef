/** A deployment that any two of three operators open: killed processes, a new machine, wrong shares. */
import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parsePrintedShare, printShare, decodeShare, encodeShare } from '@keystead/protocol/operator-share';
import type { ProcessName, Stack } from '@keystead/stack/start-stack';
import { newStampKey, RawClient } from '../raw-client.ts';
import { keypair } from '../with-stack.ts';
import { OperatorConnection } from '@keystead/cli/operator-connection';
import { keystead } from './operator-commands.ts';
import { LockedStacks, operator, refusedOperator } from './locked-stack.ts';

const stacks = new LockedStacks();
after(() => stacks.end());

const home = join(stacks.directory, 'first/home');
let printed = join(stacks.directory, 'shares');
const key = newStampKey();
let stack: Stack;
let deploymentId: string;
let organizationId: string;
let wallet: { walletId: string; accounts: readonly { address: string; addressFormat: string }[] };

const page = (number: number): Buffer => readFileSync(join(printed, `share-${number}.txt`));
const withoutHeading = (text: Buffer): Buffer => text.subarray(text.indexOf(10) + 1);
const status = (at: string) => operator<{ state: string; given: number[] }>(at, ['status']);

async function unlock(at: string, ...numbers: number[]): Promise<void> {
  for (const number of numbers) await operator(at, ['unlock'], page(number));
}

let messages = 0;

/** Signs something new with the wallet of before; the address that signed. */
async function signs(by: Stack): Promise<string> {
  const client = new RawClient(by.api, by.deploymentId, key);
  const answer = await client.call<{ address: string }>('signUtf8Message', {
    organizationId,
    walletId: wallet.walletId,
    message: `message ${messages++}`,
    algorithm: 'Ed25519',
    derivationInfo: { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' },
  });
  return answer.address;
}

const solanaAddress = () => wallet.accounts.find(({ addressFormat }) => addressFormat === 'Solana')!.address;

describe('a deployment that operators’ shares unlock', { concurrency: false }, () => {
  test('is founded with 2 of 3 shares that lie in files of their owner alone', async () => {
    mkdirSync(join(stacks.directory, 'first'));
    stack = await stacks.start({ home, unlock: 'shares' }, async () => {
      await operator(home, ['found', '--shares', '3', '--threshold', '2', '--directory', printed]);
    });
    ({ deploymentId } = stack);
    assert.ok(!existsSync(join(home, 'development/unlock.key')));
    const client = new RawClient(stack.api, deploymentId, key);
    ({ organizationId } = await client.call<{ organizationId: string }>('createOrganization', {
      organizationName: 'Acme',
      users: [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair('first', key)] }],
      tags: [],
    }));
    wallet = await client.call('createWallet', { organizationId, walletName: 'W' });
    assert.equal(await signs(stack), solanaAddress());
    const doctor = await keystead(home, ['doctor', '--json', '--api', stack.api]);
    assert.equal((JSON.parse(doctor.out) as { unlock: string }).unlock, 'shares');
  });

  for (const name of ['policy', 'signer', 'certifier', 'gateway', 'heads'] satisfies ProcessName[])
    test(`returns by itself and signs when ${name} is killed: the others hold its seed 2-of-2`, async () => {
      const before = stack.processes.get(name);
      stack.kill(name);
      await stack.settled();
      assert.notEqual(stack.processes.get(name), before);
      assert.equal((await status(home)).state, 'open');
      assert.equal(await signs(stack), solanaAddress());
    });

  test('waits for operators when two enclaves are killed at once', async () => {
    stack.kill('policy');
    stack.kill('signer');
    const settled = stack.settled();
    settled.catch(() => {});
    while ((await status(home)).state !== 'locked') await new Promise((wake) => setTimeout(wake, 20));
    await unlock(home, 3);
    assert.deepEqual((await status(home)).given, [3], 'one share is not enough');
    await unlock(home, 1);
    await settled;
    assert.equal(await signs(stack), solanaAddress());
    // And is whole again: one of them alone comes back without operators.
    stack.kill('signer');
    await stack.settled();
    assert.equal(await signs(stack), solanaAddress());
  });

  test('gets other shares while it runs, once k operators of now agree, and from then on no old one counts', async () => {
    const words = (directory: string) => [
      'rotate',
      '--shares',
      '3',
      '--threshold',
      '2',
      '--directory',
      directory,
    ];
    const before = readFileSync(join(home, 'genesis/unlock.json'), 'utf8');
    const next = join(stacks.directory, 'next');
    const rotating = operator<{ set: string }>(home, words(next));
    while ((await status(home)).state !== 'rotating') await new Promise((wake) => setTimeout(wake, 20));
    assert.match(await refusedOperator(home, words(join(stacks.directory, 'other'))), /rotating-already/);
    await unlock(home, 1);
    assert.equal(
      readFileSync(join(home, 'genesis/unlock.json'), 'utf8'),
      before,
      'one share changes nothing',
    );
    assert.ok(!existsSync(next));
    assert.equal(await signs(stack), solanaAddress());
    await unlock(home, 3);
    const { set } = await rotating;
    assert.equal((await status(home)).state, 'open');
    const after = JSON.parse(readFileSync(join(home, 'genesis/unlock.json'), 'utf8')) as { set: string };
    assert.equal(after.set, set);
    // From here on, here and on the machine of the next test, only these.
    const old = page(1);
    printed = next;
    stack.kill('policy');
    stack.kill('certifier');
    const settled = stack.settled();
    settled.catch(() => {});
    while ((await status(home)).state !== 'locked') await new Promise((wake) => setTimeout(wake, 20));
    assert.match(await refusedOperator(home, ['unlock'], old), /share 1 is of another set \(share-foreign\)/);
    await unlock(home, 1, 2);
    await settled;
    assert.equal(await signs(stack), solanaAddress());
  });

  test('keeps its shares when a rotation is given up', async () => {
    const before = readFileSync(join(home, 'genesis/unlock.json'), 'utf8');
    const connection = await OperatorConnection.open(home);
    await connection.ask({ type: 'rotateShares', threshold: 2, shares: 2 }, 'done');
    await unlock(home, 1, 2);
    assert.equal((await connection.ask({ type: 'rotated' }, 'done', 'shares')).type, 'shares');
    // The new shares are on their way, and nobody has confirmed them.
    connection.close();
    while ((await status(home)).state !== 'open') await new Promise((wake) => setTimeout(wake, 20));
    assert.equal(readFileSync(join(home, 'genesis/unlock.json'), 'utf8'), before);
  });

  test('is rebuilt on another machine from its data and two shares: same id, same addresses, signs', async () => {
    await stacks.stop(stack);
    const elsewhere = join(stacks.directory, 'elsewhere/home');
    cpSync(home, elsewhere, {
      recursive: true,
      filter: (path) => !path.startsWith(join(home, 'run')) && !path.startsWith(join(home, 'sockets')),
    });
    cpSync(`${home}-heads`, `${elsewhere}-heads`, { recursive: true });
    rmSync(join(stacks.directory, 'first'), { recursive: true });
    stack = await stacks.start({ home: elsewhere }, async (state) => {
      assert.equal(state, 'locked');
      const typed = withoutHeading(page(2));
      // The first character of the seventh group.
      const at = typed.indexOf('7: ') + 3;
      const mistyped = Buffer.from(typed);
      mistyped[at] = typed[at] === 0x30 ? 0x31 : 0x30;
      assert.match(await refusedOperator(elsewhere, ['unlock'], mistyped), /group 7 is mistyped/);
      const two = decodeShare(parsePrintedShare(typed));
      const substituted = printShare(encodeShare({ ...two, share: two.share.with(0, two.share[0]! ^ 1) }));
      assert.match(
        await refusedOperator(elsewhere, ['unlock'], substituted),
        /share 2 is not the one .*\(share-substituted\)/,
      );
      const foreign = printShare(encodeShare({ ...two, set: two.set.with(0, two.set[0]! ^ 1) }));
      assert.match(await refusedOperator(elsewhere, ['unlock'], foreign), /another set \(share-foreign\)/);
      assert.deepEqual((await status(elsewhere)).given, []);
      await unlock(elsewhere, 2, 3);
    });
    assert.equal(stack.deploymentId, deploymentId);
    assert.equal(await signs(stack), solanaAddress());
  });

  test('leaves no share in a log, an argument or a file of the home', async () => {
    const secrets = [1, 2, 3].flatMap((number) => {
      const packed = parsePrintedShare(withoutHeading(page(number)));
      const { share } = decodeShare(packed);
      return [share.subarray(0, 32), share.subarray(0, 16)].map((bytes) => Buffer.from(bytes));
    });
    const record = readFileSync(join(stack.home, 'genesis/unlock.json'), 'utf8');
    for (const secret of secrets)
      for (const text of [secret.toString('hex'), secret.toString('base64url'), secret.toString('latin1')]) {
        assert.ok(!stacks.logged().includes(text));
        assert.ok(!record.includes(text));
      }
  });
});
