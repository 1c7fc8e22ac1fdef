/**
 * Imported before anything else, this makes every connection of the process that would leave the machine fail
 * at once, names included, and counts it. Unix sockets, 127.0.0.0/8, ::1 and the name localhost pass.
 */
import dgram from 'node:dgram';
import dns from 'node:dns';
import net from 'node:net';

const refused: string[] = [];

/** Hosts that something in this process tried to reach, in order. */
export function refusedHosts(): readonly string[] {
  return refused;
}

function refusal(host: string): Error {
  refused.push(host);
  return Object.assign(new Error(`connect ECONNREFUSED ${host}: only loopback is open in tests`), {
    code: 'ECONNREFUSED',
  });
}

function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return name === 'localhost' || name === '::1' || (net.isIPv4(name) && name.startsWith('127.'));
}

/** The host of the arguments that `Socket.connect` takes; undefined for a Unix socket. */
function hostOf(given: readonly unknown[]): string | undefined {
  // Node's own callers pass one array that holds the options first.
  const [first, second] = Array.isArray(given[0]) ? (given[0] as unknown[]) : given;
  if (typeof first === 'object' && first !== null) {
    const options = first as { path?: unknown; host?: unknown };
    if (typeof options.path === 'string') return undefined;
    return typeof options.host === 'string' && options.host !== '' ? options.host : 'localhost';
  }
  if (typeof first === 'string' && !/^[0-9]+$/.test(first)) return undefined;
  return typeof second === 'string' ? second : 'localhost';
}

type Connect = (this: net.Socket, ...given: unknown[]) => net.Socket;

const connect = net.Socket.prototype.connect as unknown as Connect;
(net.Socket.prototype as unknown as { connect: Connect }).connect = function (this, ...given) {
  const host = hostOf(given);
  if (host === undefined || isLoopback(host)) return connect.apply(this, given);
  const error = refusal(host);
  process.nextTick(() => this.destroy(error));
  return this;
};

type Callback = (error: Error) => void;
type Resolver = Record<string, unknown>;

/** Replaces every look-up of a name but that of localhost, in its callback and its promise form. */
function closeNames(api: Resolver, promises: Resolver): void {
  for (const name of Object.keys(promises)) {
    if (name !== 'lookup' && name !== 'reverse' && !/^resolve/.test(name)) continue;
    const withPromise = promises[name] as (...given: unknown[]) => Promise<unknown>;
    promises[name] = async (...given: unknown[]) => {
      if (isLoopback(String(given[0]))) return await withPromise(...given);
      throw refusal(String(given[0]));
    };
    const withCallback = api[name] as (...given: unknown[]) => unknown;
    api[name] = (...given: unknown[]) => {
      if (isLoopback(String(given[0]))) return withCallback(...given);
      const error = refusal(String(given[0]));
      process.nextTick(given.at(-1) as Callback, error);
    };
  }
}
closeNames(dns as unknown as Resolver, dns.promises as unknown as Resolver);

type Send = (this: dgram.Socket, ...given: unknown[]) => void;
const send = dgram.Socket.prototype.send as unknown as Send;
(dgram.Socket.prototype as unknown as { send: Send }).send = function (this, ...given) {
  const host = given.slice(1).find((value) => typeof value === 'string');
  if (host === undefined || isLoopback(host)) return send.apply(this, given);
  throw refusal(host);
};
