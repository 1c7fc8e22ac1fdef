import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, unlinkSync } from 'node:fs';
import { open as openInspector, url as inspectorUrl } from 'node:inspector';
import { connect } from 'node:net';
import type { ProbeResult } from './control.ts';

/** How long a connection may take to be refused, in milliseconds; one that hangs was let out. */
const connectPatience = 250;

/** Codes that only a sandbox gives: a refused connection or a missing file of a name nobody has is no refusal. */
const refusals = new Set([
  'ERR_ACCESS_DENIED',
  'EACCES',
  'EAFNOSUPPORT',
  'ENETUNREACH',
  'ENOENT',
  'ENOSYS',
  'EPERM',
  'EROFS',
]);

/** Tries what no enclave needs (spec/isolation.md §5) and reports what was refused. What succeeds is undone. */
export async function probe(): Promise<ProbeResult[]> {
  const results = [
    attempt('read-file', () => readFileSync('/etc/passwd')),
    attempt('write-file', () => {
      const path = `/tmp/keystead-probe-${process.pid}`;
      closeSync(openSync(path, 'wx', 0o600));
      unlinkSync(path);
    }),
    attempt('spawn', () => {
      const { error } = spawnSync('/bin/true', { stdio: 'ignore', timeout: 1000 });
      if (error !== undefined) throw error;
    }),
    attempt('read-memory', () => closeSync(openSync('/proc/1/mem', 'r'))),
    attempt('debugger', () => {
      openInspector(0, '127.0.0.1');
      if (inspectorUrl() === undefined) throw Object.assign(new Error('no inspector'), { code: 'EPERM' });
    }),
  ];
  return [await attemptConnection(), ...results];
}

function attempt(name: string, action: () => void): ProbeResult {
  try {
    action();
    return { name, refused: false, code: '' };
  } catch (error) {
    return resultOf(name, error);
  }
}

function resultOf(name: string, error: unknown): ProbeResult {
  const code = String((error as NodeJS.ErrnoException).code ?? 'unknown');
  return { name, refused: refusals.has(code), code: code.slice(0, 64) };
}

function attemptConnection(): Promise<ProbeResult> {
  return new Promise((resolve) => {
    try {
      // TEST-NET-1 (RFC 5737): routed nowhere.
      const socket = connect({ host: '192.0.2.1', port: 9 });
      const finish = (result: ProbeResult) => {
        clearTimeout(patience);
        socket.destroy();
        resolve(result);
      };
      const patience = setTimeout(
        () => finish({ name: 'connect', refused: false, code: '' }),
        connectPatience,
      );
      socket.once('connect', () => finish({ name: 'connect', refused: false, code: '' }));
      socket.once('error', (error) => finish(resultOf('connect', error)));
    } catch (error) {
      resolve(resultOf('connect', error));
    }
  });
}
