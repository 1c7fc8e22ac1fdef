import { existsSync, lstatSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { nameOf, type Report } from './report.ts';

/**
 * Has a server listen on the unix socket `path`, in the place of one that an ended program left there. Throws TypeError when
 * something else lies there.
 */
export async function listenAt(server: Server, path: string, report: Report): Promise<void> {
  if (existsSync(path)) {
    if (!lstatSync(path).isSocket()) throw new TypeError(`${path} exists and is no socket`);
    rmSync(path);
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      server.on('error', (error) => report('warn', 'accept', { reason: nameOf(error) }));
      resolve();
    });
  });
}
