import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { StackError } from './stack-error.ts';

/** How long a port may stay taken by what a killed stack left behind, in milliseconds. */
const patience = 2000;
/** Ports below need rights, or belong to programs that people know. */
const lowest = 10_000;
/** Where IANA lets outgoing connections begin (RFC 6335 §6), for systems that do not say where theirs do. */
const usualEphemeral = 49_152;
const choices = 100;

/**
 * A port on 127.0.0.1 that is free now: `port`, or any for 0. One that is chosen here lies below the ports that the
 * system gives to outgoing connections: a gateway that is started again finds it as free as it left it.
 * Throws StackError when the port stays taken.
 */
export async function freePort(port: number): Promise<number> {
  if (port === 0) return await chosenPort();
  const deadline = performance.now() + patience;
  for (;;) {
    const error = await tryPort(port);
    if (error === undefined) return port;
    if (error !== 'EADDRINUSE' || performance.now() > deadline)
      throw new StackError(
        `cannot listen on 127.0.0.1:${port} (${error})`,
        'stop the program that listens there, or set KEYSTEAD_PORT to another port (0 takes any free one)',
      );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function chosenPort(): Promise<number> {
  const end = Math.max(firstEphemeral(), lowest + choices);
  let error: string | undefined;
  for (let count = 0; count < choices; count += 1) {
    const port = randomInt(lowest, end);
    error = await tryPort(port);
    if (error === undefined) return port;
  }
  throw new StackError(
    `found no free port on 127.0.0.1 (${error})`,
    'set KEYSTEAD_PORT to a port that is free',
  );
}

/** The first port that the system gives to outgoing connections. */
function firstEphemeral(): number {
  try {
    const first = Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
    return Number.isSafeInteger(first) ? first : usualEphemeral;
  } catch {
    return usualEphemeral;
  }
}

/** The code of the error when the port cannot be listened on. */
function tryPort(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)));
  });
}
