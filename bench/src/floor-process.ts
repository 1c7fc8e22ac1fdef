import { type ChildProcess, spawn } from 'node:child_process';
import { createCipheriv, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { post } from './http-connection.ts';

const userCount = 8;

/** The floor as a process of its own, and the requests that it takes. */
export class FloorProcess {
  readonly port: number;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #keys: readonly KeyObject[];

  private constructor(child: ChildProcess, port: number, keys: readonly KeyObject[]) {
    this.#child = child;
    this.#keys = keys;
    this.port = port;
    this.pid = child.pid!;
  }

  static async start(database: string): Promise<FloorProcess> {
    const pairs = Array.from({ length: userCount }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
    const key = randomBytes(32);
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    const ciphertext = Buffer.concat([cipher.update(randomBytes(64)), cipher.final(), cipher.getAuthTag()]);
    const users = Object.fromEntries(
      pairs.map(({ publicKey }, index) => {
        const { x, y } = publicKey.export({ format: 'jwk' });
        return [`user-${index}`, { x, y }];
      }),
    );
    const child = spawn(process.execPath, [fileURLToPath(new URL('floor.ts', import.meta.url))], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin!.write(
      `${JSON.stringify({
        database,
        users,
        sealed: {
          key: key.toString('hex'),
          nonce: nonce.toString('hex'),
          ciphertext: ciphertext.toString('hex'),
        },
      })}\n`,
    );
    const port = await new Promise<number>((resolve) =>
      child.stdout!.once('data', (line: Buffer) => resolve(Number(line.toString('utf8')))),
    );
    return new FloorProcess(
      child,
      port,
      pairs.map(({ privateKey }) => privateKey as unknown as KeyObject),
    );
  }

  /** Stamped before the clock starts, as the product's are. */
  requests(count: number): Buffer[] {
    return Array.from({ length: count }, (_, index) => {
      const user = index % userCount;
      const body = Buffer.from(
        JSON.stringify({
          type: 'transfer',
          amount: '1',
          nonce: randomBytes(16).toString('hex'),
          payload: randomBytes(150).toString('base64url'),
        }),
      );
      const signature = sign('sha256', body, { key: this.#keys[user], dsaEncoding: 'ieee-p1363' });
      const stamp = { user: `user-${user}`, signature: signature.toString('base64url') };
      return post('/', { 'x-stamp': Buffer.from(JSON.stringify(stamp)).toString('base64url') }, body);
    });
  }

  /** Durable writes since the start. */
  async commits(): Promise<number> {
    return Number(await (await fetch(`http://127.0.0.1:${this.port}/`)).text());
  }

  stop(): void {
    this.#child.kill('SIGTERM');
  }
}
