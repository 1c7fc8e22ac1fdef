/** A deployment that a password opens. */
import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { keystead } from './operator-commands.ts';
import { LockedStacks, operator, refusedOperator } from './locked-stack.ts';

const PASSWORD = 'a password that nobody guesses';
const stacks = new LockedStacks();
const home = join(stacks.directory, 'home');

after(() => stacks.end());

describe('a deployment that a password unlocks', { concurrency: false }, () => {
  let deploymentId: string;

  test('is founded by the operator, and not before', async () => {
    const stack = await stacks.start(
      { home, unlock: 'password', profile: 'production', isolation: [] },
      async (state) => {
        assert.equal(state, 'founding');
        assert.equal((await operator<{ state: string }>(home, ['status'])).state, 'founding');
        assert.match(await refusedOperator(home, ['unlock'], PASSWORD), /not founded yet/);
        assert.match(await refusedOperator(home, ['found'], 'short'), /password-length/);
        const words = [
          'found',
          '--shares',
          '3',
          '--threshold',
          '2',
          '--directory',
          join(stacks.directory, 'x'),
        ];
        assert.match(await refusedOperator(home, words), /unlocked by password \(other-kind\)/);
        assert.ok(!existsSync(join(home, 'genesis')), 'nothing was made');
        await operator(home, ['found'], PASSWORD);
      },
    );
    deploymentId = stack.deploymentId;
    assert.ok(!existsSync(join(home, 'development/unlock.key')));
    assert.equal(statSync(join(home, 'genesis/unlock.json')).mode & 0o777, 0o600);
    assert.equal((await operator<{ state: string }>(home, ['status'])).state, 'open');
    assert.match(await refusedOperator(home, ['unlock'], PASSWORD), /nothing waits to be unlocked/);
    await stacks.stop(stack);
  });

  test('waits at every start for the password, takes no other, and gets another one while it runs', async () => {
    const stack = await stacks.start({ home }, async (state) => {
      assert.equal(state, 'locked');
      assert.match(await refusedOperator(home, ['unlock'], `${PASSWORD}.`), /password-wrong/);
      assert.equal((await operator<{ state: string }>(home, ['status'])).state, 'locked');
      await operator(home, ['unlock'], `${PASSWORD}\n`);
    });
    assert.equal(stack.deploymentId, deploymentId);
    const other = 'another password that nobody guesses';
    const rotating = operator(home, ['rotate'], other);
    while ((await operator<{ state: string }>(home, ['status'])).state !== 'rotating')
      await new Promise((wake) => setTimeout(wake, 20));
    assert.match(await refusedOperator(home, ['unlock'], other), /password-wrong/);
    await operator(home, ['unlock'], PASSWORD);
    await rotating;
    await stacks.stop(stack);
    const again = await stacks.start({ home }, async () => {
      assert.match(await refusedOperator(home, ['unlock'], PASSWORD), /password-wrong/);
      await operator(home, ['unlock'], other);
    });
    assert.equal(again.deploymentId, deploymentId);
    // Other keys of the roles take the password too, and a process that ends then gets its own from the other two.
    const replacing = operator<{ roleKeys: number }>(home, ['rotate', 'role-keys']);
    while ((await operator<{ state: string }>(home, ['status'])).state !== 'rotating')
      await new Promise((wake) => setTimeout(wake, 20));
    assert.match(await refusedOperator(home, ['unlock'], PASSWORD), /password-wrong/);
    await operator(home, ['unlock'], other);
    assert.equal((await replacing).roleKeys, 2);
    await again.settled();
    again.kill('signer');
    await again.settled();
    const { state, roleKeys, walletKey } = await operator<{
      state: string;
      roleKeys: number;
      walletKey: { isUsed: boolean } | null;
    }>(home, ['status']);
    assert.deepEqual([state, roleKeys, walletKey?.isUsed], ['open', 2, true]);
    await stacks.stop(again);
    const last = await stacks.start({ home }, async () => {
      await operator(home, ['unlock'], other);
    });
    assert.equal(last.deploymentId, deploymentId);
    assert.equal((await operator<{ roleKeys: number }>(home, ['status'])).roleKeys, 2);
    await stacks.stop(last);
  });

  test('starts in no other way than its own', async () => {
    await assert.rejects(
      stacks.start({ home, unlock: 'development-file' }, async () => {}),
      {
        exitCode: 78,
        message: /unlocked by password, and KEYSTEAD_UNLOCK asks for development-file/,
      },
    );
  });

  test('takes no secret as an argument, and repeats none', async () => {
    const { code, err } = await keystead(home, ['operator', 'unlock', PASSWORD]);
    assert.equal(code, 2);
    assert.ok(!err.includes(PASSWORD));
    assert.ok(!stacks.logged().includes(PASSWORD));
    for (const file of ['genesis/unlock.json', 'deployment.json'])
      assert.ok(!readFileSync(join(home, file), 'utf8').includes(PASSWORD));
  });
});
