import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ShellSession } from './shell-session.ts';

const root = join(import.meta.dirname, '../..');
const shell = new ShellSession();
after(() => shell.end());

withStack({}, async (stack) => {
  Object.assign(shell.variables, { API: stack.api, DEPLOYMENT: stack.stack.deploymentId });
});

describe('npm pack of the command', () => {
  before(async () => {
    execFileSync(process.execPath, [join(root, 'client/cli/build.ts'), join(shell.folder, 'built')]);
    // No registry is asked: the package needs nothing beside itself.
    const { code, stderr } = await shell.run(
      'npm pack ./built --silent && mkdir elsewhere && cd elsewhere && npm init -y && npm install --offline --no-audit --no-fund ../keystead-cli-*.tgz',
    );
    assert.equal(code, 0, stderr);
  });

  test('holds one built program, its readme and its licence', async () => {
    const { stdout } = await shell.run('tar -tzf keystead-cli-*.tgz | sort');
    assert.deepEqual(stdout.trim().split('\n'), [
      'package/LICENSE',
      'package/README.md',
      'package/keystead.js',
      'package/package.json',
    ]);
    const { stdout: installed } = await shell.run(
      'ls elsewhere/node_modules elsewhere/node_modules/@keystead',
    );
    assert.equal(installed, 'elsewhere/node_modules:\n@keystead\n\nelsewhere/node_modules/@keystead:\ncli\n');
  });

  test('runs in an empty folder elsewhere', () =>
    shell.play(`
      $ cd elsewhere && ./node_modules/.bin/keystead init --name Elsewhere --api $API --deployment $DEPLOYMENT --credentials elsewhere.json
      organization <uuid>
      credentials of root: elsewhere.json

      $ cd elsewhere && ./node_modules/.bin/keystead wallet create --name first --path "m/44'/501'/0'/0'" --credentials elsewhere.json
      <WALLET:uuid>  first
      Solana  m/44'/501'/0'/0'  <solana>

      $ cd elsewhere && ./node_modules/.bin/keystead sign message hello --wallet $WALLET --credentials elsewhere.json
      <key>
    `));
});

describe('npm pack of the SDK', () => {
  before(async () => {
    execFileSync(process.execPath, [join(root, 'client/sdk/build.ts')], { stdio: 'inherit' });
    const { code, stderr } = await shell.run(
      `npm pack ${join(root, 'client/sdk/dist')} --silent && mkdir app && cd app && npm init -y && npm install --offline --no-audit --no-fund ../keystead-sdk-*.tgz`,
    );
    assert.equal(code, 0, stderr);
  });

  test('founds an organization, makes a wallet and signs, in an empty folder elsewhere', async () => {
    writeFileSync(join(shell.folder, 'app/program.mts'), program);
    const { stdout, stderr, code } = await shell.run('cd app && node program.mts');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^[A-Za-z0-9_-]{86}\n$/);
  });

  test('has every file that it exports, and for React Native a recovery client without what is missing there', () => {
    const folder = join(shell.folder, 'app/node_modules/@keystead/sdk');
    const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      exports: Record<string, string | Record<string, string>>;
    };
    for (const target of Object.values(exports))
      for (const file of typeof target === 'string' ? [target] : Object.values(target))
        assert.ok(existsSync(join(folder, file)), file);
    const recovery = exports['./recovery'] as Record<string, string>;
    // A resolver takes the first condition that it knows, and bundlers for React Native may know `node` as well.
    assert.deepEqual(Object.keys(recovery), ['types', 'react-native', 'node', 'default']);
    const missing = (file: string) =>
      ['import.meta', 'WebAssembly', 'new Worker', 'AbortSignal'].filter((name) =>
        textOf(join(folder, file)).includes(name),
      );
    assert.deepEqual(missing(recovery['react-native']!), []);
    assert.deepEqual(missing(recovery.default!), ['import.meta', 'WebAssembly', 'new Worker']);
  });

  test('brings types that check without anything else', async () => {
    const { stdout, code } = await shell.run(
      'cd app && tsc --noEmit --strict --module nodenext --target es2024 --lib es2024,dom,dom.iterable --types "" program.mts',
    );
    assert.equal(code, 0, stdout);
  });
});

const program = `
declare const process: { readonly env: Readonly<Record<string, string>> };
import { createClient } from '@keystead/sdk/client';
import { newCredentials, stamperOf } from '@keystead/sdk/node/credentials';

const { API: api, DEPLOYMENT: deploymentId } = process.env as { API: string; DEPLOYMENT: string };
const credentials = newCredentials({ api, deploymentId });
const client = createClient({ baseUrl: api, stamper: stamperOf(credentials), root: deploymentId });
const { organizationId } = await client.call('createOrganization', {
  organizationName: 'App',
  users: [
    {
      username: 'root',
      policy: { type: 'ROOT' },
      authenticators: [
        {
          authenticatorKind: 'keypair',
          authenticatorName: 'app',
          algorithm: credentials.algorithm,
          publicKey: credentials.publicKey,
        },
      ],
    },
  ],
});
const derivationInfo = "m/44'/501'/0'/0'";
const { walletId } = await client.call('createWallet', {
  organizationId,
  walletName: 'first',
  accounts: [derivationInfo],
});
const { signature } = await client.call('signUtf8Message', {
  organizationId,
  walletId,
  message: 'hello',
  algorithm: 'Ed25519',
  derivationInfo,
});
console.log(signature);
`;

/** A module with all that it imports by relative paths. */
function textOf(file: string, seen = new Set<string>()): string {
  if (seen.has(file)) return '';
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  const imported = [...text.matchAll(/(?:from|import)\s*"(\.[^"]+)"/g)];
  return [text, ...imported.map(([, path]) => textOf(join(dirname(file), path!), seen))].join('');
}
