import type { IsolationPart } from './isolation-part.ts';
import { nodeInSandbox, sandboxFiles } from './sandbox-root.ts';
import type { SandboxTools } from './sandbox-tools.ts';

export interface SandboxOptions {
  readonly parts: readonly IsolationPart[];
  readonly tools: SandboxTools;
  /** Whether this process is root: then no user namespace is needed. */
  readonly root: boolean;
  /** Where the seccomp filter is read from; needed when `parts` has it. */
  readonly seccompDescriptor?: number;
  readonly node?: string;
}

/**
 * The words of the command that starts Node as an enclave of these parts; Node's flags and arguments follow.
 * Mounts are made as root, so that a clone in a folder that is its owner's alone can be bound; the enclave leaves
 * root by itself before it reads anything but its program (`becomeUser` of @keystead/enclave-runtime), and the
 * launcher looks at the process before it hands over a key.
 */
export function sandboxCommand(options: SandboxOptions): readonly string[] {
  const { parts, tools, root } = options;
  const node = options.node ?? process.execPath;
  const has = (part: IsolationPart) => parts.includes(part);
  const isMade = has('namespaces') || has('readonly') || has('seccomp');
  if (isMade && tools.bwrap !== undefined) return bubblewrap(options, tools.bwrap, node);
  const narrowed =
    root && has('uid') && tools.setpriv !== undefined
      ? [tools.setpriv, '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all,+setuid,+setgid']
      : [];
  if (!has('namespaces')) return [...narrowed, node];
  const unshare = [
    tools.unshare!,
    ...(root ? [] : ['--user', '--map-current-user']),
    '--mount',
    '--pid',
    '--net',
    '--ipc',
    '--uts',
    '--cgroup',
    '--fork',
    '--mount-proc',
    '--kill-child=SIGKILL',
  ];
  return [...unshare, ...narrowed, node];
}

function bubblewrap(options: SandboxOptions, bwrap: string, node: string): readonly string[] {
  const has = (part: IsolationPart) => options.parts.includes(part);
  const words = [bwrap, '--die-with-parent', '--new-session', '--clearenv', '--cap-drop', 'ALL'];
  if (options.root && has('uid')) words.push('--cap-add', 'CAP_SETUID', '--cap-add', 'CAP_SETGID');
  if (has('namespaces'))
    words.push('--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup');
  if (has('readonly'))
    for (const { source, target } of sandboxFiles(node)) words.push('--ro-bind', source, target);
  else words.push('--dev-bind', '/', '/');
  if (has('namespaces')) words.push('--proc', '/proc');
  else if (has('readonly')) words.push('--ro-bind', '/proc', '/proc');
  if (has('readonly')) words.push('--remount-ro', '/');
  if (has('seccomp')) words.push('--seccomp', String(options.seccompDescriptor));
  words.push('--chdir', '/', has('readonly') ? nodeInSandbox : node);
  return words;
}
