import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isolationParts } from './isolation-part.ts';
import { sandboxCommand } from './sandbox-command.ts';
import { sandboxFiles } from './sandbox-root.ts';
import { type Machine, missingPart } from './sandbox-tools.ts';

const tools = { bwrap: '/usr/bin/bwrap', unshare: '/usr/bin/unshare', setpriv: '/usr/bin/setpriv' };
const machine: Machine = { platform: 'linux', root: true, tools, hasSeccompFilter: true };

describe('what a machine can give', () => {
  it('is everything as root with bubblewrap', () => {
    assert.equal(missingPart(isolationParts, machine), undefined);
  });

  it('names the first part that is missing, and what to install', () => {
    const without = { ...tools, bwrap: undefined };
    const cases: [machine: Machine, part: string, hint: RegExp][] = [
      [{ ...machine, platform: 'darwin' }, 'uid', /Linux/],
      [{ ...machine, root: false }, 'uid', /start as root/],
      [{ ...machine, tools: {} }, 'namespaces', /install the package bubblewrap/],
      [{ ...machine, tools: without }, 'readonly', /install the package bubblewrap/],
      [{ ...machine, hasSeccompFilter: false }, 'seccomp', /x86-64/],
    ];
    for (const [given, part, hint] of cases) {
      const missing = missingPart(isolationParts, given);
      assert.equal(missing?.part, part);
      assert.match(missing.hint, hint);
    }
    assert.equal(missingPart(['seccomp'], { ...machine, tools: without })?.part, 'seccomp');
  });

  it('is user ids and namespaces with util-linux alone, and Node flags with nothing', () => {
    const utilities = { ...machine, tools: { ...tools, bwrap: undefined } };
    assert.equal(missingPart(['uid', 'namespaces', 'permission'], utilities), undefined);
    assert.equal(
      missingPart(['permission'], { ...machine, platform: 'darwin', root: false, tools: {} }),
      undefined,
    );
    assert.equal(missingPart([], { ...machine, platform: 'darwin', root: false, tools: {} }), undefined);
  });
});

describe('the command of a sandbox', () => {
  it('is Node alone when nothing is asked for', () => {
    assert.deepEqual(sandboxCommand({ parts: [], tools, root: true }), [process.execPath]);
    assert.deepEqual(sandboxCommand({ parts: ['permission'], tools: {}, root: false }), [process.execPath]);
  });

  it('shows an enclave the Node binary, its libraries and their loader, and no writable file', () => {
    const words = sandboxCommand({ parts: isolationParts, tools, root: true, seccompDescriptor: 5 });
    const files = sandboxFiles();
    assert.ok(files.length > 3);
    for (const { target } of files) assert.match(target, /^\/bin\/node$|\.so(\.[0-9.]+)?$/);
    const count = (word: string) => words.filter((each) => each === word).length;
    assert.equal(count('--ro-bind'), files.length);
    assert.deepEqual([count('--bind'), count('--dev-bind'), count('--remount-ro')], [0, 0, 1]);
    assert.equal(words.at(-1), '/bin/node');
    for (const kind of ['pid', 'net', 'ipc', 'uts', 'cgroup'])
      assert.equal(count(`--unshare-${kind}`), 1, kind);
    assert.equal(words[words.indexOf('--seccomp') + 1], '5');
    assert.equal(words[words.indexOf('--cap-drop') + 1], 'ALL');
  });

  it('keeps no way to another user where no user id is given', () => {
    const words = sandboxCommand({ parts: ['namespaces', 'readonly'], tools, root: true });
    assert.ok(!words.includes('--cap-add'));
    assert.ok(!words.includes('--seccomp'));
  });

  it('falls back to util-linux for namespaces', () => {
    const [file, ...words] = sandboxCommand({
      parts: ['uid', 'namespaces'],
      tools: { ...tools, bwrap: undefined },
      root: true,
    });
    assert.equal(file, '/usr/bin/unshare');
    assert.ok(words.includes('--net') && words.includes('--no-new-privs'));
    assert.equal(words.at(-1), process.execPath);
  });
});
