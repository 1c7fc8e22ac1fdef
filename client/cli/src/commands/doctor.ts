import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { readCredentials, type Credentials } from '@keystead/sdk/node/credentials';
import type { Command } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { parseDeployment } from '../deployment-file.ts';
import { isolationOf } from '../isolation.ts';
import { unlockOf, unlockSentences } from '../unlock-kind.ts';
import { credentialsFileOf } from '../session.ts';

const oldestNode = 24;
const sandboxTools = ['bwrap', 'unshare', 'setpriv', 'systemd-run', 'qemu-system-x86_64'] as const;
const patience = 5000;

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  /** What to do; only where it is not ok. */
  readonly hint?: string;
}

export const doctor: Command = {
  words: ['doctor'],
  summary: 'says what holds here and what does not: Node, isolation, rollback, credentials, server',
  options: {},
  async run(given, surroundings) {
    const file = credentialsFileOf(given, surroundings);
    const credentials = existsSync(file) ? safely(() => readCredentials(file)) : undefined;
    const api =
      given.text('api') ??
      (credentials instanceof Error ? undefined : credentials?.api) ??
      'http://127.0.0.1:7400';
    const deployment = await fetched(`${api}/v1/deployment`);
    const metrics = await fetched(`${api}/metrics`);
    const signing = signingLibraries(metrics);
    const walletKey = walletKeyOf(metrics);
    const isolation = isolationOf(surroundings.home);
    const checks = [
      nodeCheck(),
      ...credentialsChecks(file, credentials),
      await serverCheck(api),
      organizationsCheck(metrics),
      deploymentCheck(deployment, credentials instanceof Error ? undefined : credentials),
    ];
    const facts = {
      node: process.versions.node,
      profile: profileOf(deployment) ?? 'unknown',
      isolation: isolation.level,
      isolationDetail: isolation.detail,
      isolationParts: isolation.holds,
      isolationTool: isolation.tool,
      attested: false,
      rollback: 'file',
      unlock: unlockOf(surroundings.home),
      ed25519: signing.ed25519,
      secp256k1: signing.secp256k1,
      walletKey: walletKey.state,
      sandboxTools: Object.fromEntries(
        sandboxTools.map((tool) => [tool, onPath(tool, surroundings.searchPath)]),
      ),
      api,
      credentials: file,
    };
    const bad = checks.find(({ ok }) => !ok);
    return {
      json: { ok: bad === undefined, ...facts, checks },
      text: [
        ...checks.map(
          ({ name, ok, found, hint }) =>
            `${ok ? 'ok ' : 'BAD'}  ${name}: ${found}${hint === undefined || ok ? '' : `\n     hint: ${hint}`}`,
        ),
        `profile: ${facts.profile}`,
        `isolation: ${facts.isolation} (${facts.isolationDetail}; parts that hold: ${facts.isolationParts.join(', ') || 'none'}; sandbox: ${facts.isolationTool})`,
        ...(facts.isolation === 'process+uid'
          ? []
          : ['Below isolation level process+uid nothing holds against code running in the gateway.']),
        'rollback: file (a heads log on the same machine is not rollback-resistant against the host)',
        `unlock: ${unlockSentences[facts.unlock]}`,
        `wallet key: ${walletKey.sentence}`,
        `signing: Ed25519 by ${facts.ed25519}, secp256k1 by ${facts.secp256k1}`,
        `sandbox tools: ${sandboxTools.map((tool) => `${tool} ${facts.sandboxTools[tool] ? 'there' : 'absent'}`).join(', ')}`,
      ].join('\n'),
      ...(bad === undefined
        ? {}
        : { failure: { detail: `${bad.name}: ${bad.found}`, hint: bad.hint ?? 'see the lines above' } }),
    };
  },
};

function nodeCheck(): Check {
  const { node } = process.versions;
  return {
    name: 'node',
    ok: Number(node.split('.')[0]) >= oldestNode,
    found: node,
    hint: `use Node ${oldestNode} or later`,
  };
}

function credentialsChecks(file: string, credentials: Credentials | Error | undefined): Check[] {
  if (credentials === undefined)
    return [
      {
        name: 'credentials',
        ok: false,
        found: `${file} is not there`,
        hint: 'npm start, or keystead init, makes one',
      },
    ];
  if (credentials instanceof Error)
    return [
      {
        name: 'credentials',
        ok: false,
        found: credentials.message,
        hint: 'only its owner may read the file: chmod 600',
      },
    ];
  const mode = (statSync(file).mode & 0o777).toString(8).padStart(4, '0');
  return [{ name: 'credentials', ok: true, found: `${file}, mode ${mode}` }];
}

async function serverCheck(api: string): Promise<Check> {
  const hint = 'start it with npm start, or name it with --api';
  try {
    const response = await fetch(`${api}/readyz`, {
      redirect: 'error',
      signal: AbortSignal.timeout(patience),
    });
    await response.arrayBuffer();
    return {
      name: 'server',
      ok: response.status === 200,
      found: `${api}/readyz answers ${response.status}`,
      hint,
    };
  } catch {
    return { name: 'server', ok: false, found: `${api} does not answer`, hint };
  }
}

/** What computes the signatures of wallets, as the signer says; `unknown` while it does not answer. */
function signingLibraries(metrics: string | undefined): { ed25519: string; secp256k1: string } {
  const pattern = /^keystead_enclave_figure\{role="signer",name="libraries\.([a-z0-9]+)"\} 1$/gm;
  const libraries = [...(metrics ?? '').matchAll(pattern)].map(([, name]) => name);
  const among = (names: readonly string[]) =>
    names.filter((name) => libraries.includes(name)).join(' and ') || 'unknown';
  return { ed25519: among(['openssl', 'libsodium']), secp256k1: among(['libsecp256k1', 'noble']) };
}

/** Which wallet keys the signer has, and whether rows may need an older one; `unknown` while it does not answer. */
function walletKeyOf(metrics: string | undefined): { state: string; sentence: string } {
  const figure = (of: string) =>
    new RegExp(`^keystead_enclave_figure\\{role="signer",name="walletKey${of}"\\} ([0-9]+)$`, 'm').exec(
      metrics ?? '',
    )?.[1];
  const [newest, oldest] = [figure('Newest'), figure('Oldest')];
  if (newest === undefined || oldest === undefined)
    return { state: 'unknown', sentence: 'the signer does not say' };
  if (newest === oldest) return { state: 'one', sentence: `generation ${newest}, and no older one` };
  const both = `generation ${newest}, and older ones from ${oldest}`;
  return figure('Complete') === '1'
    ? { state: 'to-retire', sentence: `${both} that no row needs: keystead operator retire wallet-key` }
    : { state: 'rewrapping', sentence: `${both}, which rows may need: keystead operator status` };
}

/** Organizations whose rows do not verify, as far as the policy engine has met them since its start. */
function organizationsCheck(metrics: string | undefined): Check {
  const name = 'organizations';
  if (metrics === undefined)
    return { name, ok: false, found: 'the server has no metrics', hint: 'is it running?' };
  const figure = (of: string) =>
    Number(
      new RegExp(`^keystead_enclave_figure\\{role="policy",name="${of}"\\} ([0-9]+)$`, 'm').exec(
        metrics,
      )?.[1],
    );
  const refusals = figure('lockedRefusals');
  if (Number.isNaN(refusals))
    return { name, ok: false, found: 'the policy engine states no figures', hint: 'wait until it answers' };
  return {
    name,
    ok: refusals === 0,
    found:
      refusals === 0
        ? 'none is known to be locked'
        : `rows of locked organizations do not verify: ${figure('locked')} whole, ${refusals} requests refused`,
    hint: 'the log of the policy engine names them (organization-locked, organization-without-head); put the newest copies of database and heads log back and start again',
  };
}

function deploymentCheck(document: string | undefined, credentials: Credentials | undefined): Check {
  const name = 'deployment';
  if (document === undefined)
    return { name, ok: false, found: 'the server does not say which it is', hint: 'is it running?' };
  let stated: string;
  try {
    stated = parseDeployment(document, 'the answer of the server').deploymentId;
  } catch (error) {
    return { name, ok: false, found: (error as Error).message, hint: 'ask whoever runs the deployment' };
  }
  if (credentials === undefined) return { name, ok: true, found: `${stated}, pinned by nothing here` };
  const ok = credentials.deploymentId === stated;
  return {
    name,
    ok,
    found: ok
      ? `${stated}, as pinned in the credentials`
      : `the server is ${stated}, the credentials pin ${credentials.deploymentId}`,
    hint: 'do not use this server with these credentials: it is another deployment',
  };
}

function profileOf(document: string | undefined): string | undefined {
  try {
    const { profile } = JSON.parse(document ?? '') as { profile?: unknown };
    return typeof profile === 'string' ? profile : undefined;
  } catch {
    return undefined;
  }
}

async function fetched(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(patience) });
    const text = await response.text();
    return response.status === 200 && text.length < 65_536 ? text : undefined;
  } catch {
    return undefined;
  }
}

function onPath(tool: string, searchPath: string): boolean {
  return searchPath.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function safely<T>(read: () => T): T | Error {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error) return error;
    throw new CommandError(String(error), 'check the file');
  }
}
