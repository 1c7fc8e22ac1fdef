/**
 * A thousand requests of one unit under a budget of a hundred, sent at once by three client processes; and what clients,
 * ledger and signer say of it (L1 at full size).
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { readHeadsLog } from '@keystead/cli/ledger/heads-directory';
import { copyStore } from '@keystead/cli/ledger/store-file';
import { verifyStore } from '@keystead/cli/ledger/verify-store';
import { Entry, outcomeAllow } from '@keystead/protocol/entry';
import { formatUuid } from '@keystead/protocol/ids';
import type { ProcessName } from '@keystead/stack/start-stack';
import { Transaction as EthereumTransaction, Interface } from 'ethers';
import { deliver, newRequest, type SentRequest } from '../crash/sent-request.ts';
import type { TestStack } from '../with-stack.ts';
import type { FromClient, ToClient } from './client-process.ts';
import { limited, Scene } from './scene.ts';

export const REQUESTS = 1000;
export const BUDGET = 100;
const CLIENTS = 3;
const CONNECTIONS = 8;

const TOKEN = `0x${'11'.repeat(20)}`;
const token = new Interface(['function transfer(address,uint256)']);

/** Processes that a run may lose, at random. */
const VICTIMS: readonly (ProcessName | 'client')[] = [
  'gateway',
  'policy',
  'signer',
  'certifier',
  'heads',
  'launcher',
  'client',
];

type Told = Extract<FromClient, { type: 'answer' }>['answer'];

export interface SpendingFigures {
  readonly organizationId: string;
  readonly victim: string;
  /** Requests that the clients got no decision for. */
  readonly unanswered: number;
  /** Distinct signatures that clients were given, before anything was sent again and in the end. */
  readonly signaturesBefore: number;
  readonly signatures: number;
  readonly limitErrors: number;
  /** Other answers than a signature and the limit error. */
  readonly strange: readonly string[];
  /** What the signer counted of this run since it was started last. */
  readonly signerCounted: number;
  readonly seconds: number;
}

/** Bytes of a transfer of one unit. */
const transferOf = (nonce: number): string =>
  EthereumTransaction.from({
    type: 2,
    chainId: 1,
    nonce,
    to: TOKEN,
    data: token.encodeFunctionData('transfer', [`0x${'33'.repeat(20)}`, 1n]),
    gasLimit: 100_000n,
    maxFeePerGas: 1_000_000_000n,
    maxPriorityFeePerGas: 1n,
  }).unsignedSerialized;

/** An organization with one wallet whose budget three users share, and their requests, client by client. */
async function requestsUnderOneBudget(
  running: TestStack,
): Promise<{ readonly organizationId: string; readonly shares: SentRequest[][] }> {
  const scene = await Scene.of(running);
  const { organizationId, wallet } = scene;
  const budget = {
    id: 'budget',
    meter: 'amount',
    per: ['wallet'],
    across: { asset: [`eip155:1/erc20:${TOKEN}`] },
    window: { kind: 'rolling', seconds: 86_400 },
    max: String(BUDGET),
  };
  await scene.root.native('updatePolicy', {
    organizationId,
    policyName: 'everybody',
    policy: limited(budget),
  });
  const agents = await Promise.all(
    Array.from({ length: CLIENTS }, (_, index) =>
      scene.user(`agent ${index}`, { type: 'CEL', preset: 'LEGACY_USER_ROLE' }),
    ),
  );
  const shares = agents.map((): SentRequest[] => []);
  for (let nonce = 0; nonce < REQUESTS; nonce += 1)
    shares[nonce % CLIENTS]!.push(
      newRequest(agents[nonce % CLIENTS]!, 'compatibility', 'signTransaction', {
        organizationId,
        walletId: wallet.walletId,
        transaction: { kind: 'RLP_ENCODED', bytes: transferOf(nonce) },
        derivationInfo: { derivationPath: "m/44'/60'/0'/0/0", curve: 'Secp256k1', addressFormat: 'Ethereum' },
      }),
    );
  return { organizationId, shares };
}

/** What the signer says that it has signed since it was started. */
async function signerCount(running: TestStack): Promise<number> {
  return (await running.figures()).get('signer.signatures') ?? 0;
}

/**
 * One run. With `below`, one random process is killed at a random moment, and what was not answered is sent again byte
 * for byte; the signer then counts in the life that it began last.
 */
export async function spendingRun(
  running: TestStack,
  below: ((below: number) => number) | null,
): Promise<SpendingFigures> {
  const { organizationId, shares } = await requestsUnderOneBudget(running);
  const countedBefore = await signerCount(running);
  const signerBefore = running.stack.processes.get('signer');
  const answers = shares.map((share) => new Array<Told>(share.length).fill(null));
  const victim = below === null ? null : VICTIMS[below(VICTIMS.length)]!;
  const killAfter = below === null ? 0 : below(REQUESTS);
  const killedClient = below === null ? 0 : below(CLIENTS);

  let told = 0;
  const clients = shares.map((share, number) =>
    startClient(running, share, (index, answer) => {
      answers[number]![index] = answer;
      told += 1;
      if (victim === null || told !== killAfter + 1) return;
      if (victim === 'client') clients[killedClient]!.process.kill('SIGKILL');
      else running.stack.kill(victim);
    }),
  );
  await Promise.all(clients.map(({ ready }) => ready));
  const begun = performance.now();
  for (const { begin } of clients) begin();
  await Promise.all(clients.map(({ ended }) => ended));
  const seconds = (performance.now() - begun) / 1000;
  if (victim !== null && victim !== 'client') await running.stack.settled();

  const signaturesBefore = new Set(answers.flat().flatMap(signatureOf)).size;
  const left = shares.flatMap((share, number) =>
    share.flatMap((request, index) =>
      isDecided(answers[number]![index]!) ? [] : [{ request, number, index }],
    ),
  );
  const unanswered = left.length;
  const lane = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { answer } = await deliver(running.api, next.request);
      answers[next.number]![next.index] = answer ?? null;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS * CONNECTIONS }, lane));

  const signed = new Set(answers.flat().flatMap(signatureOf));
  if (victim !== null) await askAgainForSignatures(running, shares, answers, signed);
  const countedAfter = await signerCount(running);
  const restarted = running.stack.processes.get('signer') !== signerBefore;
  return {
    organizationId,
    victim: victim ?? 'none',
    unanswered,
    signaturesBefore,
    signatures: signed.size,
    limitErrors: answers.flat().filter((answer) => answer?.body?.code === 'spending-limit-exceeded').length,
    strange: answers
      .flat()
      .filter((answer) => answer?.status !== 200 && answer?.body?.code !== 'spending-limit-exceeded')
      .map((answer) => `${answer?.status} ${JSON.stringify(answer?.body)}`),
    signerCounted: restarted ? countedAfter : countedAfter - countedBefore,
    seconds,
  };
}

/** The signer that lives now states every signature once more: the same ones, or `signed` grows. */
async function askAgainForSignatures(
  running: TestStack,
  shares: readonly (readonly SentRequest[])[],
  answers: readonly (readonly Told[])[],
  signed: Set<string>,
): Promise<void> {
  for (const [number, share] of shares.entries())
    for (const [index, request] of share.entries())
      if (answers[number]![index]?.status === 200)
        for (const signature of signatureOf((await deliver(running.api, request)).answer ?? null))
          signed.add(signature);
}

const isDecided = (answer: Told) =>
  answer?.status === 200 || (answer !== null && answer.body?.code === 'spending-limit-exceeded');

function signatureOf(answer: Told): string[] {
  const result = answer?.status === 200 ? (answer.body?.result as { transaction?: unknown }) : undefined;
  return result === undefined ? [] : [String(result.transaction)];
}

interface Client {
  readonly process: ChildProcess;
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  begin(): void;
}

function startClient(
  running: TestStack,
  share: readonly SentRequest[],
  answered: (index: number, answer: Told) => void,
): Client {
  const child = fork(join(import.meta.dirname, 'client-process.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const send = (message: ToClient) => child.send(message);
  const ended = once(child, 'exit').then(() => undefined);
  const ready = new Promise<void>((resolve) => {
    child.on('message', (message: FromClient) => {
      if (message.type === 'ready') resolve();
      else if (message.type === 'answer') answered(message.index, message.answer);
      else child.disconnect();
    });
  });
  send({
    type: 'requests',
    url: `${running.api}${share[0]!.path}`,
    connections: CONNECTIONS,
    requests: share.map(({ body, headers }) => ({ body: Buffer.from(body).toString('base64'), headers })),
  });
  return { process: child, ready, ended, begin: () => void send({ type: 'begin' }) };
}

/** Transactions that the ledger of each organization allows, from the files; throws when the ledger does not verify. */
export async function allowedByLedger(running: TestStack): Promise<ReadonlyMap<string, number>> {
  const log = readHeadsLog(running.heads);
  const store = await copyStore(join(running.home, 'store.sqlite'));
  try {
    const { bad, rows } = verifyStore(store.database, { deploymentId: log.deploymentId, heads: log.heads });
    if (bad.length + rows.bad.length > 0) throw new Error(JSON.stringify([bad, rows.bad]));
    const allowed = new Map<string, number>();
    for (const row of store.database.prepare('SELECT bytes FROM entries').iterate()) {
      const bytes = row.bytes as Uint8Array;
      const entry = Entry.decode(bytes.subarray(0, bytes.length - 32));
      if (entry.method !== 'signTransaction' || entry.decision.outcome !== outcomeAllow) continue;
      const organization = formatUuid(entry.organization);
      allowed.set(organization, (allowed.get(organization) ?? 0) + 1);
    }
    return allowed;
  } finally {
    store.close();
  }
}
