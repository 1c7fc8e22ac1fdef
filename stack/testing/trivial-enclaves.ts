import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** What a bundle of one role does in a test: answers each ping, and stores one record where it has heads. */
const programs = {
  policy: { incoming: 'ToPolicy', outgoing: 'FromPolicy' },
  signer: { incoming: 'ToSigner', outgoing: 'FromSigner' },
  certifier: { incoming: 'ToCertifier', outgoing: 'FromCertifier' },
};

type Role = keyof typeof programs;

const source = (role: Role) => `
import { runEnclave } from '@keystead/enclave-runtime/run-enclave';
import { ${programs[role].incoming}, ${programs[role].outgoing} } from '@keystead/protocol/frames';
import { utf8Encode } from '@keystead/crypto/bytes';
runEnclave({
  role: '${role}',
  incoming: ${programs[role].incoming},
  outgoing: ${programs[role].outgoing},
  create: (context, ports) => {
    let turns = 0;
    let kept = 0;
    if ('${role}' === 'certifier') {
      const heads = ports.heads();
      heads.load().then(async ({ records }) => {
        const next = (records.at(-1)?.sequence ?? 0) + 1;
        await heads.append(next, context.boot);
        kept = next;
      });
    }
    const program = {
      send: () => {},
      receive: (message) => {
        if (message.type !== 'ping') throw new TypeError('not a ping');
        const metrics = utf8Encode(JSON.stringify({
          role: context.role, deploymentId: [...context.deploymentId], turns, kept,
          fetch: typeof fetch, kill: typeof process.kill, environment: Object.keys(process.env),
        }));
        program.send({ type: 'pong', id: message.id, metrics });
      },
      turn: () => { turns += 1; },
    };
    return program;
  },
});
`;

/** Writes one bundle per role into `directory`: path and measurement, as the launcher's configuration has them. */
export async function trivialBundles(
  directory: string,
): Promise<Record<Role, { path: string; sha384: string }>> {
  const bundleOf = async (role: Role) => {
    const result = await build({
      stdin: {
        contents: source(role),
        resolveDir: join(import.meta.dirname, '../../enclave', role),
        loader: 'js',
      },
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node24',
      conditions: ['node'],
      external: ['node:*'],
      logLevel: 'silent',
    });
    const code = result.outputFiles[0]!.contents;
    const path = join(directory, `${role}.mjs`);
    writeFileSync(path, code);
    return { path, sha384: createHash('sha384').update(code).digest('hex') };
  };
  const [policy, signer, certifier] = await Promise.all([
    bundleOf('policy'),
    bundleOf('signer'),
    bundleOf('certifier'),
  ]);
  return { policy, signer, certifier };
}
