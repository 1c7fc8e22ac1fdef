import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { hexDecode } from '@keystead/crypto/hex';
import { verifyCertificate } from '@keystead/protocol/certificate';
import { deploymentIdOf, type Role } from '@keystead/protocol/deployment';
import { type MeasuredProgram, measurementPreimage } from '@keystead/protocol/measurement';
import type { Command } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type Deployment, deploymentIdFrom, parseDeployment, sameDeployment } from '../deployment-file.ts';

const roles = ['policy', 'signer', 'certifier'] as const satisfies readonly Role[];

/** What a source gives when it is built: the output of stack/src/bundle-digests.ts. */
export interface Built {
  readonly node: string;
  readonly flags: readonly string[];
  readonly seccomp: string;
  readonly programs: Readonly<
    Record<string, { readonly sha384: string; readonly inputs: Readonly<Record<string, string>> }>
  >;
}

/** `program` of one enclave in isolation.json. */
interface Stated {
  readonly bundle: string;
  readonly node: string;
  readonly flags: readonly string[];
  readonly seccomp: string | null;
  readonly isolation: readonly string[];
}

interface Finding {
  readonly program: string;
  readonly ok: boolean;
  readonly found: string;
}

export const verify: Command = {
  words: ['verify'],
  summary:
    'builds the enclaves from the source and compares them with what the deployment of KEYSTEAD_HOME runs',
  details: [
    'What runs is stated by certificates of the certifier, whose key follows from the deployment id. On the backend process this holds',
    'against a changed file, not against root of the machine: it is no attestation. Where a bundle differs, the files are named by what',
    'the start wrote down of its own source.',
  ].join('\n'),
  options: {
    source: {
      type: 'string',
      value: 'folder',
      help: 'repository to build from, with its packages (default: this one)',
    },
    deployment: {
      type: 'string',
      value: 'id or file',
      help: 'the deployment that it has to be (default: whatever KEYSTEAD_HOME says)',
    },
  },
  async run(given, surroundings) {
    const { home } = surroundings;
    const deployment = parseDeployment(readStated(home, 'deployment.json'), join(home, 'deployment.json'));
    const expected = given.text('deployment');
    if (
      expected !== undefined &&
      !sameDeployment(base64urlEncode(deploymentIdFrom(expected)), deployment.deploymentId)
    )
      throw new CommandError(
        `${home} is of the deployment ${deployment.deploymentId}, not of ${expected}`,
        'name the home of the other one with KEYSTEAD_HOME',
      );
    const built = await build(given.text('source') ?? join(import.meta.dirname, '../../../..'));
    const findings = roles.map((role) => compare(role, home, deployment, built));
    findings.push(compareLauncher(home, built));
    const bad = findings.find(({ ok }) => !ok);
    return {
      json: { ok: bad === undefined, deploymentId: deployment.deploymentId, attested: false, findings },
      text: findings
        .map(({ program, ok, found }) => `${ok ? 'ok ' : 'BAD'}  ${program}: ${found}`)
        .join('\n'),
      ...(bad === undefined
        ? {}
        : {
            failure: {
              detail: `${bad.program}: ${bad.found}`,
              hint: 'start the deployment from the source that you trust, or verify against the source that it was started from',
            },
          }),
    };
  },
};

async function build(source: string): Promise<Built> {
  const program = resolve(source, 'stack/src/bundle-digests.ts');
  if (!existsSync(program))
    throw new CommandError(`${resolve(source)} is no source of Keystead`, 'name a repository with --source');
  try {
    const words = ['--disable-warning=ExperimentalWarning', program];
    const { stdout } = await promisify(execFile)(process.execPath, words, { maxBuffer: 1 << 24, env: {} });
    return JSON.parse(stdout) as Built;
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    throw new CommandError(
      `the source does not build: ${stderr.trim().split('\n').at(-1) ?? ''}`,
      'npm ci --ignore-scripts in it',
    );
  }
}

function compare(role: Role, home: string, deployment: Deployment, built: Built): Finding {
  const finding = (ok: boolean, found: string): Finding => ({ program: role, ok, found });
  const stated = statedProgram(home, role);
  const preimage = measurementPreimage(packable(stated));
  const measurement = new Uint8Array(createHash('sha384').update(preimage).digest());
  const certificates = JSON.parse(readStated(home, 'certificates.json')) as Record<string, string>;
  try {
    verifyCertificate(base64urlDecode(certificates[role] ?? ''), {
      issuer: deployment.current.keys.certifier.sign,
      use: 'running',
      deployment: deploymentIdOf(deployment.keys),
      role,
      measurement,
      challenge: new Uint8Array(32),
      now: Date.now(),
    });
  } catch (error) {
    return finding(false, `what isolation.json states is not certified (${(error as Error).message})`);
  }
  const expected = built.programs[role]!;
  if (stated.bundle !== expected.sha384)
    return finding(false, `another bundle runs: ${differing(home, role, expected.inputs)}`);
  if (stated.node !== built.node) return finding(false, 'another Node binary runs it');
  if (stated.flags.join('\n') !== built.flags.join('\n'))
    return finding(false, `other flags: ${stated.flags.join(' ')}`);
  if (stated.seccomp !== null && stated.seccomp !== built.seccomp)
    return finding(false, 'another system-call filter');
  return finding(
    true,
    `bundle ${stated.bundle.slice(0, 16)}…, isolation ${stated.isolation.join(', ') || 'none'}`,
  );
}

/** The launcher certifies nobody: its file is compared as it lies in the home. */
function compareLauncher(home: string, built: Built): Finding {
  const program = 'launcher';
  const found = createHash('sha384').update(readStated(home, 'run/launcher.mjs')).digest('hex');
  const { sha384, inputs } = built.programs[program]!;
  return found === sha384
    ? { program, ok: true, found: `file ${sha384.slice(0, 16)}…` }
    : { program, ok: false, found: `another file: ${differing(home, program, inputs)}` };
}

/** The files whose content is not that of the source, by what the start wrote down. */
export function differing(home: string, program: string, ours: Readonly<Record<string, string>>): string {
  const path = join(home, `run/${program}.mjs.inputs.json`);
  if (!existsSync(path)) return 'it was not built from a source, or its list of files is gone';
  const theirs = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
  const files = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])]
    .sort()
    .filter((file) => ours[file] !== theirs[file])
    .map(
      (file) =>
        `${file}${ours[file] === undefined ? ' (added)' : theirs[file] === undefined ? ' (missing)' : ''}`,
    );
  return files.length === 0
    ? 'every file is the same, so it was changed after it was built'
    : files.join(', ');
}

function statedProgram(home: string, role: Role): Stated {
  const { enclaves } = JSON.parse(readStated(home, 'isolation.json')) as {
    readonly enclaves: Readonly<Record<string, { readonly program: Stated }>>;
  };
  const program = enclaves[role]?.program;
  if (program === undefined)
    throw new CommandError(`isolation.json does not state what runs as ${role}`, 'start the deployment');
  return program;
}

function packable({ bundle, node, flags, seccomp, isolation }: Stated): MeasuredProgram {
  return {
    bundle: hexDecode(bundle),
    node: hexDecode(node),
    flags: [...flags],
    seccomp: seccomp === null ? undefined : hexDecode(seccomp),
    isolation: [...isolation],
  };
}

function readStated(home: string, name: string): string {
  try {
    return readFileSync(join(home, name), 'utf8');
  } catch (error) {
    throw new CommandError(
      `${join(home, name)} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      'name the home of a started deployment with KEYSTEAD_HOME, as the user that started it',
    );
  }
}
