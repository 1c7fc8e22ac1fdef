import { openSync } from 'node:fs';
import { join } from 'node:path';
import { type Stack, startStack } from '@keystead/stack/start-stack';

/** The product with all enclaves, durable, in `directory`. What its processes log goes to `log` there. */
export async function startProduct(directory: string): Promise<Stack> {
  return startStack({
    home: join(directory, 'home'),
    heads: join(directory, 'heads'),
    port: 0,
    stderr: openSync(join(directory, 'log'), 'a'),
  });
}
