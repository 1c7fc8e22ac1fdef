import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { hostCommand } from './host-users.ts';
import { StackError } from './stack-error.ts';

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'keystead-users-')));
chmodSync(directory, 0o755);
after(() => rmSync(directory, { recursive: true }));

const tools = { setpriv: '/usr/bin/setpriv', unshare: '/usr/bin/unshare' };
const folder = (name: string, mode: number) => {
  const path = join(directory, name);
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
};

describe('the command of a host process with its own user', () => {
  it('leaves root with everything that belongs to it before Node starts', () => {
    const words = hostCommand(63004, ['main.ts'], [folder('open', 0o755)], tools);
    const setpriv = words.indexOf(tools.setpriv);
    assert.deepEqual(words.slice(setpriv + 1, -2), [
      '--reuid=63004',
      '--regid=63004',
      '--clear-groups',
      '--inh-caps=-all',
      '--bounding-set=-all',
      '--no-new-privs',
    ]);
    assert.deepEqual(words.slice(-2), [realpathSync(process.execPath), 'main.ts']);
  });

  it('shows what is needed of a folder that others may not enter, whatever it is called', () => {
    const closed = folder("closed 'one'", 0o700);
    const home = join(closed, 'home');
    mkdirSync(home);
    const script =
      hostCommand(63004, ['main.ts'], [home], tools).find((word) => word.includes('tmpfs')) ?? '';
    const quoted = closed.replaceAll("'", "'\\''");
    assert.ok(script.includes(`tmpfs '${quoted}'\n`));
    assert.ok(script.includes(`/proc/self/fd/`) && script.includes(`'${quoted}/home'`));
  });

  it('refuses to start where the tools for it are missing, with exit code 78', () => {
    const isRefusal = (error: unknown) =>
      error instanceof StackError && error.exitCode === 78 && /^isolation uid/.test(error.message);
    const closed = folder('closed', 0o700);
    assert.throws(() => hostCommand(63004, [], [directory], {}), isRefusal);
    assert.throws(
      () => hostCommand(63004, [], [join(closed, 'home')], { setpriv: tools.setpriv }),
      isRefusal,
    );
  });
});
