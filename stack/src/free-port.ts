import { createServer } from 'node:net';
import { StackError } from './stack-error.ts';

/** How long a port may stay taken by what a killed stack left behind, in milliseconds. */
const patience = 2000;

/** A port on 127.0.0.1 that is free now: `port`, or any for 0. Throws StackError when it stays taken. */
export async function freePort(port: number): Promise<number> {
  const deadline = performance.now() + patience;
  for (;;) {
    const result = await tryPort(port);
    if (typeof result === 'number') return result;
    if (result !== 'EADDRINUSE' || performance.now() > deadline)
      throw new StackError(
        `cannot listen on 127.0.0.1:${port} (${result})`,
        'stop the program that listens there, or set KEYSTEAD_PORT to another port (0 takes any free one)',
      );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The port, or the code of the error. */
function tryPort(port: number): Promise<number | string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 'unknown'));
    });
  });
}
