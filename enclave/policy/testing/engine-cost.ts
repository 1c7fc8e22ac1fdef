import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { address as addressOfKey } from '@keystead/chains/ethereum/address';
import { buildTransaction1559 } from '@keystead/chains/ethereum/parse';
import { base58Decode, base58Encode } from '@keystead/crypto/base58';
import { base64Encode } from '@keystead/crypto/base64';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import { sha256 } from '@keystead/crypto/sha256';
import { FromPolicy, type RawRequest, routeRpc, surfaceNative, ToPolicy } from '@keystead/protocol/frames';
import { contentDigest, seenNone, signatureBase, signatureParameters } from '@keystead/protocol/stamp';
import { PolicyBench, uuidText } from './policy-bench.ts';

/**
 * What one stamped signing request costs the policy engine, in microseconds of CPU: from the frame that brings it to
 * the frames that leave, with host, certifier and signer played outside of what is counted.
 *
 *     node enclave/policy/testing/engine-cost.ts --per-frame=20 --frames=150 --organizations=1 --wallets=1 --policy=FILE --only=EVM
 *
 * With a policy, in JSON, every organization has it.
 *
 * Beside it stands what one P-256 verification cost between the frames: on a busy machine both grow, and only the
 * ratio means something. With `--cpu-prof`, look at what is below `counted`; with `--expose-gc` it tells the engine's memory at the end.
 */

/** Counts the CPU of calls; what runs inside `outside` is left out. */
class CpuCounter {
  microseconds = 0;
  #since = 0;
  #depth = 0;

  counted<T>(work: () => T): T {
    if (this.#depth++ === 0) this.#since = cpuNow();
    try {
      return work();
    } finally {
      if (--this.#depth === 0) this.microseconds += cpuNow() - this.#since;
    }
  }

  outside<T>(work: () => T): T {
    const depth = this.#depth;
    if (depth > 0) this.microseconds += cpuNow() - this.#since;
    this.#depth = 0;
    try {
      return work();
    } finally {
      this.#depth = depth;
      if (depth > 0) this.#since = cpuNow();
    }
  }
}

function cpuNow(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** A key of P-256, as applications stamp with. */
class Stamper {
  readonly publicKey: Uint8Array;
  readonly #key: ReturnType<typeof generateKeyPairSync>['privateKey'];
  #calls = 0;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x, y } = publicKey.export({ format: 'jwk' });
    this.publicKey = concatBytes(
      Uint8Array.of(4),
      Buffer.from(x!, 'base64url'),
      Buffer.from(y!, 'base64url'),
    );
    this.#key = privateKey as never;
  }

  request(bench: PolicyBench, method: string, params: object): RawRequest {
    this.#calls += 1;
    const body = utf8Encode(JSON.stringify({ method, params }));
    const created = Math.floor(bench.now / 1000);
    const parameters = signatureParameters({
      created,
      expires: created + 60,
      nonce: String(this.#calls).padStart(22, 'n'),
      algorithm: 'ecdsa-p256-sha256',
      publicKey: this.publicKey,
    });
    const fields = {
      path: '/v1/rpc',
      deployment: base64urlEncode(bench.roles.policy.deploymentId),
      origin: 'none',
      seen: seenNone,
    };
    const base = signatureBase({ ...fields, body, parameters });
    const signature = sign('sha256', base, { key: this.#key as never, dsaEncoding: 'ieee-p1363' });
    return {
      ...fields,
      surface: surfaceNative,
      route: routeRpc,
      signatureInput: `keystead=${parameters}`,
      signature: `keystead=:${base64Encode(signature)}:`,
      contentDigest: contentDigest(body),
      phantomStamp: undefined,
      body,
    };
  }
}

const solanaKey = ed25519.publicKey(sha256(utf8Encode('solana')));
const ethereumKey = secp256k1.publicKey(sha256(utf8Encode('ethereum')));
const ethereumAddress = addressOfKey(ethereumKey, 'Ethereum');
const accounts = [
  {
    curve: 'Ed25519',
    derivationPath: "m/44'/501'/0'/0'",
    addressFormat: 'Solana',
    address: base58Encode(solanaKey),
    publicKey: base58Encode(solanaKey),
  },
  {
    curve: 'Secp256k1',
    derivationPath: "m/44'/60'/0'/0/0",
    addressFormat: 'Ethereum',
    address: ethereumAddress,
    publicKey: hexEncode(ethereumKey),
  },
];

function solanaTransfer(index: number): Uint8Array {
  const data = Buffer.alloc(12);
  data.writeUInt32LE(2, 0);
  data.writeBigUInt64LE(BigInt(index + 1), 4);
  return concatBytes(
    Uint8Array.of(1, 0, 1, 3),
    solanaKey,
    base58Decode(base58Encode(sha256(utf8Encode(`to ${index}`)))),
    new Uint8Array(32),
    sha256(utf8Encode(`blockhash ${index}`)),
    Uint8Array.of(1, 2, 2, 0, 1, data.length),
    data,
  );
}

function ethereumTransfer(index: number): Uint8Array {
  return buildTransaction1559({
    kind: 'EIP_1559',
    chainId: 11155111,
    nonce: index,
    maxFeePerGas: '2000000000',
    maxPriorityFeePerGas: '1000000000',
    gasLimit: 21000,
    to: '0x000000000000000000000000000000000000dEaD',
    value: String(index + 1),
  } as never);
}

const chains = {
  Ed25519: { chain: 'solana', make: solanaTransfer, account: accounts[0] },
  EVM: { chain: 'ethereum', make: ethereumTransfer, account: accounts[1] },
};

const counter = new CpuCounter();
const bench = new PolicyBench();
bench.plays = {
  made: (made) => ({ ...made, accounts: utf8Encode(canonicalize({ type: 'MNEMONIC', accounts })) }),
};
countEngine();

function countEngine(): void {
  const { engine } = bench;
  const receive = engine.receive.bind(engine);
  const turn = engine.turn.bind(engine);
  const { send } = engine;
  engine.receive = (message) => {
    const bytes = ToPolicy.encode(message);
    counter.counted(() => receive(ToPolicy.decode(bytes)));
  };
  engine.turn = () => counter.counted(turn);
  engine.send = (message) => {
    const bytes = FromPolicy.encode(message);
    counter.outside(() => send(FromPolicy.decode(bytes)));
  };
}

const option = (name: string, otherwise: number): number =>
  Number(process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const perFrame = option('per-frame', 20);
const frames = option('frames', 150);
const organizations = option('organizations', 1);
const wallets = option('wallets', 1);

const only = process.argv.find((word) => word.startsWith('--only='))?.slice('--only='.length);
const policyFile = process.argv.find((word) => word.startsWith('--policy='))?.slice('--policy='.length);
const policy: object | null =
  policyFile === undefined ? null : (JSON.parse(readFileSync(policyFile, 'utf8')) as object);

const stamper = new Stamper();
const uses: { readonly organizationId: string; readonly walletId: string }[] = [];
for (let index = 0; index < organizations; index += 1) {
  const founded = bench.ask(
    stamper.request(bench, 'createOrganization', {
      organizationName: `Cost ${index}`,
      users: [
        {
          username: 'root',
          policy: { type: 'ROOT' },
          authenticators: [
            {
              authenticatorName: 'key',
              authenticatorKind: 'keypair',
              publicKey: base64urlEncode(stamper.publicKey),
              algorithm: 'Secp256r1',
            },
          ],
        },
      ],
    }),
  );
  assert.equal(founded.status, 200, JSON.stringify(founded.body));
  const organizationId = String(founded.body.organizationId);
  for (let made = 0; made < wallets; made += 1) {
    const refs = Array.from({ length: Math.min(100, wallets - made) }, (_, next) =>
      bench.submit(stamper.request(bench, 'createWallet', { organizationId, walletName: `W${made + next}` })),
    );
    made += refs.length - 1;
    bench.run();
    for (const ref of refs) {
      const { entry } = bench.ticketed(ref);
      uses.push({ organizationId, walletId: uuidText(entry.keyUse!.walletId) });
    }
    forget();
  }
  if (policy !== null) {
    const setting = { organizationId, policyName: 'cost', policy };
    const set = bench.ask(stamper.request(bench, 'updatePolicy', setting));
    assert.equal(set.status, 200, JSON.stringify(set.body));
  }
}

/** What the tests would look at, and what a host keeps elsewhere. */
function forget(): void {
  bench.batches.length = 0;
  bench.groups.length = 0;
  bench.makes.length = 0;
  bench.queries.length = 0;
  bench.tickets.clear();
  bench.answers.clear();
  bench.history.clear();
}

const ruler = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rulerSignature = sign('sha256', solanaKey, { key: ruler.privateKey, dsaEncoding: 'ieee-p1363' });
function measureVerification(): void {
  for (let i = 0; i < perFrame; i += 1)
    assert.ok(
      verify('sha256', solanaKey, { key: ruler.publicKey, dsaEncoding: 'ieee-p1363' }, rulerSignature),
    );
}

let made = 0;
for (const round of ['warm-up', 'first', 'second', 'third']) {
  const figures: string[] = [];
  for (const [name, { chain, make, account }] of Object.entries(chains)) {
    if (only !== undefined && only !== name) continue;
    const requests = Array.from({ length: perFrame * frames }, () =>
      stamper.request(bench, 'signTransaction', {
        ...uses[Math.floor(Math.random() * uses.length)],
        chain,
        transaction: base64urlEncode(make(made++)),
        derivationInfo: {
          derivationPath: account.derivationPath,
          curve: account.curve,
          addressFormat: account.addressFormat,
        },
      }),
    );
    counter.microseconds = 0;
    const verifications = new CpuCounter();
    while (requests.length > 0) {
      const refs = requests.splice(0, perFrame).map((request) => bench.submit(request));
      bench.run();
      for (const ref of refs) bench.ticketed(ref);
      verifications.counted(measureVerification);
    }
    const each = counter.microseconds / (perFrame * frames);
    const ratio = counter.microseconds / verifications.microseconds;
    const queries = bench.queries.length / (perFrame * frames);
    figures.push(
      `${name} ${each.toFixed(1)} µs (${ratio.toFixed(2)} verifications, ${queries.toFixed(2)} rows asked for)`,
    );
    forget();
  }
  process.stdout.write(`${round}: ${figures.join(', ')}\n`);
}

/** Megabytes that go when the engine starts again: its memory, without the host's that is played here. */
if (globalThis.gc !== undefined) {
  const used = (): number => {
    for (let i = 0; i < 3; i += 1) globalThis.gc!();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return (heapUsed + arrayBuffers) / 1e6;
  };
  const before = used();
  bench.restart();
  process.stdout.write(`memory of the engine: ${(before - used()).toFixed(1)} MB\n`);
}
