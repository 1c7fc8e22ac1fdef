import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { base58Decode } from '@keystead/crypto/base58';
import { base64Encode } from '@keystead/crypto/base64';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize, canonicalizeWithAmounts } from '@keystead/crypto/canonical-json';
import { sha256 } from '@keystead/crypto/sha256';
import { buildTransaction1559 } from '@keystead/chains/ethereum/parse';
import {
  algorithmSecp256r1,
  authenticatorLeafKey,
  keyHashOf,
  organizationLeafKey,
  userLeafKey,
  walletLeafKey,
  walletMnemonic,
} from '@keystead/protocol/authority';
import { outcomeAllow } from '@keystead/protocol/entry';
import { FromSigner, RawRequest, routeRpc, surfaceNative, ToSigner } from '@keystead/protocol/frames';
import { formatUuid, walletIdOf } from '@keystead/protocol/ids';
import { type ParsedRequest, parseRequest } from '@keystead/protocol/request';
import { Receipt } from '@keystead/protocol/receipt';
import { signedBytesDigest } from '@keystead/protocol/signed-bytes';
import { type SigningRequestOf, signingRequest } from '@keystead/protocol/signing';
import {
  contentDigest,
  parseStamp,
  requestIdentity,
  signatureBase,
  signatureParameters,
} from '@keystead/protocol/stamp';
import { type Ticket, TicketBatch } from '@keystead/protocol/ticket';
import { systemRandom } from '@keystead/enclave-runtime/context';
import { loadSigningBackend, portableBackend } from '../src/signing-backend.ts';
import { type BenchWallet, type Call, itemOf, SignerBench, walletLeaf } from './signer-bench.ts';

/**
 * CPU of the signer alone, microseconds per stamped signature, frames decoded and encoded: `node signing-load.ts`, with
 * `--cpu-prof` for a profile and the flags of spec/boot.md §5 for their price. Stamps are of P-256. `--wallets=N` spreads
 * the uses over N wallets, `--batch=N` puts N requests into one turn.
 */
const figure = (name: string, otherwise: number): number =>
  Number(process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const wallets = figure('wallets', 1);
const batch = figure('batch', 25);
const rounds = figure('rounds', 40);

SignerBench.backend = process.argv.includes('--portable')
  ? portableBackend
  : await loadSigningBackend(systemRandom);
const bench = new SignerBench();
bench.now = Date.now();
const { organization } = bench;
const made: BenchWallet[] = [];
for (let index = 0; index < wallets; index++) made.push(newWallet(`wallet ${index}`));
organization.write(made.map((wallet) => [walletLeafKey(wallet.walletId), walletLeaf(wallet)]));

// The load's own P-256 authenticator, which OpenSSL signs with.
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { x, y } = publicKey.export({ format: 'jwk' });
const point = Uint8Array.from([4, ...Buffer.from(x!, 'base64url'), ...Buffer.from(y!, 'base64url')]);
const keyHash = keyHashOf(algorithmSecp256r1, point);
organization.write([
  [userLeafKey('root'), bench.userLeaf({ authenticators: [bench.keyHash, keyHash] })],
  [
    authenticatorLeafKey(keyHash),
    bench.authenticatorLeaf({ algorithm: algorithmSecp256r1, publicKey: point }),
  ],
]);

function newWallet(walletName: string): BenchWallet {
  const call = bench.call('createWallet', { walletName });
  bench.hold(call);
  const walletId = walletIdOf(organization.id, call.identity);
  const { secret, sealed, accounts } = bench.make(call, walletId);
  const told = JSON.parse(Buffer.from(accounts).toString()) as BenchWallet['told'];
  return { walletId, secret, row: sealed, kind: walletMnemonic, told };
}

function stamped(params: object): Call {
  const body = utf8Encode(
    JSON.stringify({ method: 'signTransaction', params: { organizationId: organization.text, ...params } }),
  );
  const created = Math.floor(bench.now / 1000);
  const parameters = signatureParameters({
    created,
    expires: created + 60,
    nonce: base64urlEncode(randomBytes(16)),
    algorithm: 'ecdsa-p256-sha256',
    publicKey: point,
  });
  const fields = {
    path: '/v1/rpc',
    deployment: base64urlEncode(bench.roles.signer.deploymentId),
    origin: 'none',
    seen: 'none',
  };
  const signature = sign('sha256', signatureBase({ ...fields, body, parameters }), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  });
  const raw: RawRequest = {
    ...fields,
    surface: surfaceNative,
    route: routeRpc,
    signatureInput: `keystead=${parameters}`,
    signature: `keystead=:${base64Encode(signature)}:`,
    contentDigest: contentDigest(body),
    phantomStamp: undefined,
    body,
  };
  return { raw, body, identity: requestIdentity(parseStamp(raw), body), method: 'signTransaction' };
}

const account = (wallet: BenchWallet, format: string) => {
  const found = wallet.told.accounts!.find(({ addressFormat }) => addressFormat === format)!;
  return {
    derivationPath: found.derivationPath!,
    curve: found.curve,
    addressFormat: found.addressFormat,
    address: found.address,
    publicKey:
      format === 'Solana'
        ? base58Decode(found.publicKey)
        : Uint8Array.from(Buffer.from(found.publicKey, 'hex')),
  };
};

function solana(wallet: BenchWallet, count: number) {
  const data = Buffer.alloc(12);
  data.writeUInt32LE(2, 0);
  data.writeBigUInt64LE(BigInt(count + 1), 4);
  const own = account(wallet, 'Solana');
  const transaction = Buffer.concat([
    Buffer.from([1, 0, 1, 3]),
    base58Decode(own.address),
    randomBytes(32),
    Buffer.alloc(32),
    randomBytes(32),
    Buffer.from([1, 2, 2, 0, 1, data.length]),
    data,
  ]);
  return use(wallet, own, 'solana', transaction);
}

function ethereum(wallet: BenchWallet, count: number) {
  const transaction = buildTransaction1559({
    kind: 'EIP_1559',
    chainId: 11155111,
    nonce: count,
    maxFeePerGas: '2000000000',
    maxPriorityFeePerGas: '1000000000',
    gasLimit: 21000,
    to: '0x000000000000000000000000000000000000dEaD',
    value: String(count + 1),
  } as never);
  return use(wallet, account(wallet, 'Ethereum'), 'ethereum', transaction);
}

function use(wallet: BenchWallet, own: ReturnType<typeof account>, chain: string, transaction: Uint8Array) {
  const { derivationPath, curve, addressFormat } = own;
  const call = stamped({
    walletId: formatUuid(wallet.walletId),
    chain,
    transaction: base64urlEncode(transaction),
    derivationInfo: { derivationPath, curve, addressFormat },
  });
  const request = parseRequest('native', 'rpc', call.body) as ParsedRequest as SigningRequestOf;
  const { inputs, effects } = signingRequest(request, own as never);
  return {
    call,
    wallet,
    effects: utf8Encode(canonicalizeWithAmounts(effects)),
    keyUse: { derivationPath, curve, addressFormat, bytesDigest: signedBytesDigest(inputs) },
  };
}

/** What one turn gets, as frames. */
function turn(uses: readonly ReturnType<typeof use>[], number: number): Uint8Array[] {
  const { policy, certifier } = bench.roles;
  const requests = uses.map(({ call }, index) => ({
    ref: index + 1,
    owner: undefined,
    request: RawRequest.encode(call.raw),
  }));
  const tickets: Ticket[] = [];
  const entries = uses.map(({ call, wallet, keyUse, effects }) => {
    const entry = bench.entry(call, {
      keyUse: bench.keyUse(wallet, keyUse),
      changes: { authenticator: keyHash, effects, decision },
    });
    const encoded = organization.append(entry);
    tickets.push({
      identity: call.identity,
      entry: encoded,
      ownerEntry: undefined,
      witness: witnessOf(wallet),
      secret: wallet.secret,
      display: displayOf(wallet),
    });
    return { entry, encoded };
  });
  const { boot } = policy;
  const receipt = {
    boot,
    batch: number,
    time: bench.now,
    size: number,
    root: sha256(utf8Encode('root')),
    items: entries.map(({ entry, encoded }) => itemOf(organization, entry, encoded)),
    refused: [],
  };
  return [
    ToSigner.encode({ type: 'requests', items: requests }),
    ToSigner.encode({
      type: 'tickets',
      tickets: policy.seal(
        'policy-to-signer',
        'ticket-batch',
        TicketBatch.encode({ boot, batch: number, tickets }),
      ),
      receipt: certifier.seal('certifier-to-signer', 'receipt', Receipt.encode(receipt)),
      secrets: uses.map(({ wallet }) => ({ hash: wallet.secret, sealed: wallet.row })),
    }),
  ];
}

/** What the policy engine writes besides: as a signature that the root user's preset allows. */
const decision = { outcome: outcomeAllow, code: '', rule: 'ROOT/root', trace: ['ROOT/root: pass'] };

const displayOf = (wallet: BenchWallet): Uint8Array =>
  utf8Encode(
    canonicalize({
      accounts: wallet.told.accounts!.map(({ curve, derivationPath, addressFormat }) => ({
        curve,
        derivationPath: derivationPath!,
        addressFormat,
      })),
      tags: [],
      walletName: 'wallet',
    }),
  );

const witnesses = new Map<BenchWallet, Uint8Array[]>();
function witnessOf(wallet: BenchWallet): Uint8Array[] {
  let known = witnesses.get(wallet);
  if (known === undefined) {
    known = organization.proof([
      organizationLeafKey,
      userLeafKey('root'),
      authenticatorLeafKey(keyHash),
      walletLeafKey(wallet.walletId),
    ]);
    witnesses.set(wallet, known);
  }
  return known;
}

let answered = 0;
bench.signer.send = (message) => {
  const decoded = FromSigner.decode(FromSigner.encode(message));
  if (decoded.type !== 'answers') return;
  for (const { status, body } of decoded.answers) {
    if (status !== 200) throw new Error(Buffer.from(body).toString());
    answered += 1;
  }
};

let count = 0;
let number = 1_000_000;
const only = process.argv.find((word) => word.startsWith('--only='))?.slice(7);
for (const [name, make] of [
  ['Ed25519', solana],
  ['EVM', ethereum],
] as const) {
  if (only !== undefined && only !== name) continue;
  const all: Uint8Array[][] = [];
  for (let round = 0; round < rounds * 2; round++) {
    const uses = Array.from({ length: batch }, () =>
      make(made[Math.floor(Math.random() * made.length)]!, count++),
    );
    number += 1;
    all.push(turn(uses, number));
  }
  let before = process.cpuUsage();
  answered = 0;
  const figures: number[] = [];
  for (const [round, frames] of all.entries()) {
    if (round % (rounds / 4) === 0 && round >= rounds) {
      before = process.cpuUsage();
      answered = 0;
    }
    for (const frame of frames) {
      bench.signer.receive(ToSigner.decodeViews(frame));
      bench.signer.turn();
    }
    if (round % (rounds / 4) === rounds / 4 - 1 && round >= rounds) {
      const { user, system } = process.cpuUsage(before);
      figures.push((user + system) / answered);
    }
  }
  figures.sort((a, b) => a - b);
  process.stdout.write(
    `${name}: ${figures.map((each) => each.toFixed(0)).join(' ')} µs per signature (${batch} in a turn, ${wallets} wallets)\n`,
  );
}
