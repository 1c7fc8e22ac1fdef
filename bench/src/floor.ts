import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import { DatabaseSync } from 'node:sqlite';

/**
 * The floor: one process that does the work of one stamped, durable signature and nothing else. It verifies a P-256
 * stamp over the body, refuses a nonce it has seen, counts a limit, writes a hash-chained row in a group commit with
 * synchronous=FULL, opens a sealed seed, derives by SLIP-10 and signs with Ed25519. It has no organizations, no
 * decoding, no policy, no second party that checks.
 *
 * Configuration comes as one JSON line on standard input; the port goes to standard output. A GET tells how many commits
 * there were.
 */
interface FloorConfiguration {
  readonly database: string;
  /** P-256 public keys of users, as JWK. */
  readonly users: Readonly<Record<string, { readonly x: string; readonly y: string }>>;
  /** hex: key, nonce and ciphertext with tag of the 64-byte seed. */
  readonly sealed: { readonly key: string; readonly nonce: string; readonly ciphertext: string };
}

const input: Buffer[] = [];
for await (const chunk of process.stdin) {
  input.push(chunk as Buffer);
  if (Buffer.concat(input).includes(10)) break;
}
const configuration = JSON.parse(Buffer.concat(input).toString('utf8')) as FloorConfiguration;

const users = new Map<string, KeyObject>(
  Object.entries(configuration.users).map(([name, { x, y }]) => [
    name,
    createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' }),
  ]),
);
const database = new DatabaseSync(configuration.database);
database.exec(
  'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE entries (position INTEGER PRIMARY KEY, hash BLOB, body BLOB) STRICT; CREATE TABLE counters (name TEXT PRIMARY KEY, amount TEXT) STRICT, WITHOUT ROWID;',
);
const insertEntry = database.prepare('INSERT INTO entries VALUES (?, ?, ?)');
const upsertCounter = database.prepare(
  'INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET amount = excluded.amount',
);
const sealedKey = Buffer.from(configuration.sealed.key, 'hex');
const sealedNonce = Buffer.from(configuration.sealed.nonce, 'hex');
const sealedSeed = Buffer.from(configuration.sealed.ciphertext, 'hex');

interface Waiting {
  readonly response: ServerResponse;
  readonly payload: Buffer;
  readonly entry: Buffer;
}

const seen = new Set<string>();
let spent = 0n;
let position = 0;
let previous: Buffer = Buffer.alloc(32);
let waiting: Waiting[] = [];

let commits = 0;
const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(String(commits));
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const stamp = JSON.parse(Buffer.from(String(request.headers['x-stamp']), 'base64url').toString('utf8'));
    const key = users.get(stamp.user);
    const valid =
      key !== undefined &&
      verify('sha256', body, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(stamp.signature, 'base64url'));
    const parsed = JSON.parse(body.toString('utf8'));
    const amount = BigInt(parsed.amount);
    if (!valid || seen.has(parsed.nonce) || amount > 1000n || parsed.type !== 'transfer') {
      response.writeHead(403).end();
      return;
    }
    seen.add(parsed.nonce);
    spent += amount;
    if (waiting.length === 0) setImmediate(commit);
    waiting.push({ response, payload: Buffer.from(parsed.payload, 'base64url'), entry: body });
  });
});

function commit(): void {
  const batch = waiting;
  waiting = [];
  database.exec('BEGIN IMMEDIATE');
  for (const { entry } of batch) {
    previous = createHash('sha256').update(previous).update(entry).digest();
    position += 1;
    insertEntry.run(position, previous, entry);
  }
  upsertCounter.run('day', spent.toString());
  database.exec('COMMIT');
  commits += 1;
  for (const { response, payload } of batch) {
    const signature = sign(null, payload, derive(unseal())).toString('base64url');
    const answer = `{"signature":"${signature}"}`;
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
      .end(answer);
  }
}

function unseal(): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', sealedKey, sealedNonce);
  decipher.setAuthTag(sealedSeed.subarray(-16));
  return Buffer.concat([decipher.update(sealedSeed.subarray(0, -16)), decipher.final()]);
}

const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** SLIP-10 m/44'/501'/0'/0'. */
function derive(seed: Buffer): KeyObject {
  let node = createHmac('sha512', 'ed25519 seed').update(seed).digest();
  for (const index of [44, 501, 0, 0]) {
    const data = Buffer.alloc(37);
    node.copy(data, 1, 0, 32);
    data.writeUInt32BE((index | 0x80000000) >>> 0, 33);
    node = createHmac('sha512', node.subarray(32)).update(data).digest();
  }
  return createPrivateKey({
    key: Buffer.concat([pkcs8, node.subarray(0, 32)]),
    format: 'der',
    type: 'pkcs8',
  });
}

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.stdout.write(`${address.port}\n`);
});
process.on('SIGTERM', () => process.exit(0));
