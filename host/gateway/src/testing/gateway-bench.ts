/**
 * CPU of the gateway alone: `node host/gateway/src/testing/gateway-bench.ts [requests] [connections] [flags of node…]`.
 *
 * The gateway runs as a process of its own with a real store; policy engine, certifier and signer are peers in this
 * process that answer at once with messages of the sizes of real ones. Load is kept-alive connections of raw sockets.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { EnclavePeer } from './enclave-peer.ts';

const count = Number(process.argv[2] ?? 20_000);
const connections = Number(process.argv[3] ?? 64);
const flags = process.argv.slice(4);
const entryBytes = 1370;
const nodesPerEntry = 8;

const directory = mkdtempSync(join(process.cwd(), '.bench-'));
const gateway = spawn(
  process.execPath,
  ['--disable-warning=ExperimentalWarning', ...flags, join(import.meta.dirname, '../main.ts')],
  {
    env: { KEYSTEAD_PORT: '0', KEYSTEAD_HOME: directory, KEYSTEAD_SOCKETS: directory },
    stdio: ['pipe', 'pipe', 'inherit'],
  },
);
const port = await new Promise<number>((resolve) =>
  gateway.stdout.once('data', (line: Buffer) =>
    resolve((JSON.parse(line.toString()) as { port: number }).port),
  ),
);
const socket = join(directory, 'gateway.sock');
const policy = await EnclavePeer.connect('policy', socket);
const signer = await EnclavePeer.connect('signer', socket);
const certifier = await EnclavePeer.connect('certifier', socket);
certifier.send({ type: 'tail', rows: [], last: true });

const boot = randomBytes(16);
const organization = randomBytes(16);
let batch = 0;
let position = 0;
const sealed = (length: number) => ({
  bytes: Buffer.concat([boot, Buffer.alloc(length)]),
  mac: new Uint8Array(32),
});
let checkpoint = 0;
/** Those of the checkpoints that the batch passes. */
function nodesUpTo(newest: number): { hash: Uint8Array; bytes: Uint8Array }[] {
  const checkpoints = Math.floor(newest / 64) - checkpoint;
  checkpoint += checkpoints;
  return Array.from({ length: checkpoints * 64 * nodesPerEntry }, () => ({
    hash: randomBytes(32),
    bytes: randomBytes(66),
  }));
}
const identitiesOf = new Map<number, Uint8Array[]>();
policy.react = (message) => {
  if (message.type !== 'requests') return;
  batch += 1;
  const n = message.items.length;
  const identities = message.items.map(({ request }) => createHash('sha256').update(request).digest());
  identitiesOf.set(batch, identities);
  policy.send({
    type: 'batch',
    batch,
    rows: {
      entries: identities.map(() => ({
        organization,
        position: ++position,
        bytes: randomBytes(entryBytes),
        checkpoint: false,
      })),
      nodes: nodesUpTo(position),
      secrets: [],
      owners: [],
    },
    advance: sealed(200 + 140 * n),
    query: undefined,
    tickets: sealed(300 * n),
    waiting: message.items.map(({ ref }, index) => ({
      identity: identities[index],
      refs: [ref],
      secret: undefined,
    })),
  });
};
certifier.react = (message) => {
  if (message.type !== 'advance') return;
  certified += 1;
  const n = identitiesOf.get(certified)!.length;
  last += n;
  certifier.send({
    type: 'receipt',
    batch: certified,
    forPolicy: sealed(250 * n),
    forSigner: sealed(250 * n),
    checkpoint: 'x'.repeat(250),
    inclusions: Array.from({ length: n }, (_, index) => ({
      organization,
      position: last - index,
      index: last,
      proof: new Uint8Array(20 * 32),
    })),
  });
};
let certified = 0;
/** Of the certified entries. */
let last = 0;
let ticketed = 0;
const result = Buffer.from(
  JSON.stringify({
    kind: 'SOLANA',
    transaction: randomBytes(280).toString('base64url'),
    signature: randomBytes(64).toString('base64url'),
  }),
);
signer.react = (message) => {
  if (message.type !== 'tickets') return;
  ticketed += 1;
  const identities = identitiesOf.get(ticketed)!;
  identitiesOf.delete(ticketed);
  signer.send({
    type: 'answers',
    answers: identities.map((identity) => ({
      identity,
      status: 200,
      body: result,
      signature: randomBytes(300),
    })),
  });
};
while ((await fetch(`http://127.0.0.1:${port}/readyz`)).status !== 200)
  await new Promise((resolve) => setTimeout(resolve, 20));

let serial = 0;
function request(): Buffer {
  serial += 1;
  const body = JSON.stringify({
    method: 'signTransaction',
    params: {
      organizationId: '4b2f1b9e-1c4b-8a55-9a1d-0c8d8f0e2c3d',
      walletId: '4b2f1b9e-1c4b-8a55-9a1d-0c8d8f0e2c3d',
      chain: 'solana',
      transaction: 'A'.repeat(290),
      derivationInfo: {
        derivationPath: "m/44'/501'/0'/0'",
        curve: 'Ed25519',
        addressFormat: 'Solana',
        n: serial,
      },
    },
  });
  return Buffer.from(
    `POST /v1/rpc HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-digest: sha-256=:${'A'.repeat(44)}:\r\nsignature-input: keystead=("@method" "@path" "content-digest" "keystead-deployment" "keystead-origin" "keystead-seen");created=1;expires=61;nonce="${'A'.repeat(22)}";alg="ecdsa-p256-sha256";keyid="${'A'.repeat(87)}"\r\nsignature: keystead=:${'A'.repeat(88)}:\r\nkeystead-deployment: ${'A'.repeat(43)}\r\nkeystead-origin: none\r\nkeystead-seen: none\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
}

function load(total: number): Promise<void> {
  let sent = 0;
  let answered = 0;
  return new Promise((resolve) => {
    for (let i = 0; i < connections; i += 1) {
      const client = connect(port, '127.0.0.1');
      client.setNoDelay(true);
      let read = '';
      const next = () => {
        if (sent >= total) return client.destroy();
        sent += 1;
        return client.write(request());
      };
      client.on('connect', next);
      client.on('data', (chunk: Buffer) => {
        read += chunk.toString('latin1');
        const end = read.indexOf('\r\n\r\n');
        if (end < 0) return;
        const length = Number(/content-length: ([0-9]+)/i.exec(read)![1]);
        if (read.length < end + 4 + length) return;
        if (!read.startsWith('HTTP/1.1 200')) throw new Error(read);
        read = read.slice(end + 4 + length);
        answered += 1;
        next();
        if (answered === total) resolve();
      });
    }
  });
}

function cpu(): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${gateway.pid}/task`))
    nanoseconds += Number(
      readFileSync(`/proc/${gateway.pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0],
    );
  return nanoseconds / 1000;
}

await load(count / 2);
const rounds: number[] = [];
for (let round = 0; round < 5; round += 1) {
  const before = cpu();
  const batches = batch;
  await load(count / 5);
  rounds.push((cpu() - before) / (count / 5));
  process.stderr.write(
    `${rounds.at(-1)!.toFixed(1)} µs per request, ${(count / 5 / (batch - batches)).toFixed(1)} per batch\n`,
  );
}
gateway.kill('SIGTERM');
await new Promise((resolve) => gateway.once('exit', resolve));
rmSync(directory, { recursive: true });
process.exit(0);
