import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { IsolationPart } from './isolation-part.ts';
import { sandboxCommand } from './sandbox-command.ts';
import { hasSeccompFilter, seccompFilter } from './seccomp-filter.ts';

/** Paths of the sandbox tools of this machine. */
export interface SandboxTools {
  readonly bwrap?: string;
  readonly unshare?: string;
  readonly setpriv?: string;
}

/** The launcher has no environment; these are the directories of the system's own tools. */
const toolDirectories = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin'];

export function findSandboxTools(directories: readonly string[] = toolDirectories): SandboxTools {
  const find = (name: string) => directories.map((directory) => join(directory, name)).find(isExecutable);
  return { bwrap: find('bwrap'), unshare: find('unshare'), setpriv: find('setpriv') };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly root: boolean;
  readonly tools: SandboxTools;
  readonly hasSeccompFilter: boolean;
}

export function thisMachine(): Machine {
  return {
    platform: process.platform,
    root: process.getuid?.() === 0,
    tools: findSandboxTools(),
    hasSeccompFilter,
  };
}

export interface MissingPart {
  readonly part: IsolationPart;
  readonly detail: string;
  readonly hint: string;
}

const installBubblewrap = 'install the package bubblewrap (for example: apt-get install -y bubblewrap)';

/** The first of the parts that this machine cannot give, or undefined. */
export function missingPart(
  parts: readonly IsolationPart[],
  machine: Machine = thisMachine(),
): MissingPart | undefined {
  const { tools } = machine;
  for (const part of parts) {
    if (part === 'permission') continue;
    if (machine.platform !== 'linux')
      return { part, detail: 'this system is not Linux', hint: 'run Keystead on Linux' };
    if (part === 'uid' && !machine.root)
      return {
        part,
        detail: 'the start is not by root',
        hint: 'start as root; each enclave leaves it at once',
      };
    if (part === 'namespaces' && tools.bwrap === undefined && tools.unshare === undefined)
      return { part, detail: 'neither bwrap nor unshare is there', hint: installBubblewrap };
    if (part === 'seccomp' && !machine.hasSeccompFilter)
      return { part, detail: 'there is no filter for this processor', hint: 'run Keystead on x86-64' };
    if ((part === 'readonly' || part === 'seccomp') && tools.bwrap === undefined)
      return { part, detail: 'bwrap is not there', hint: installBubblewrap };
  }
  return undefined;
}

/** Tries the sandbox once with `node --version`: a container may forbid what the tools would do. */
export function refusedSandbox(
  parts: readonly IsolationPart[],
  machine: Machine = thisMachine(),
): MissingPart | undefined {
  const part = parts.find((each) => each === 'namespaces' || each === 'readonly' || each === 'seccomp');
  if (part === undefined) return undefined;
  const { tools, root } = machine;
  const words = sandboxCommand({ parts, tools, root, seccompDescriptor: 9 });
  // The filter comes on standard input, which Node needs for itself.
  const command = 'exec 9<&0 </dev/null && exec "$0" "$@"';
  const tried = spawnSync('/bin/sh', ['-c', command, ...words, '--version'], {
    cwd: '/',
    env: {},
    input: parts.includes('seccomp') ? seccompFilter() : '',
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (tried.status === 0 && tried.stdout.trim() === process.version) return undefined;
  const said = `${tried.stderr ?? ''}`.trim().split('\n').at(-1) || tried.error?.message || 'no reason given';
  return {
    part,
    detail: `the sandbox does not start: ${said.slice(0, 300)}`,
    hint: 'allow namespaces (a container needs CAP_SYS_ADMIN and no seccomp profile against them)',
  };
}
