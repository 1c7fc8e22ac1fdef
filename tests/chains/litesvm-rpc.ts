/**
 * JSON-RPC over LiteSVM: stands for Solana devnet. Transactions run in the real runtime with signature checks;
 * only what wallets and senders call is offered (solana.com/docs/rpc/http).
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Address,
  getBase58Decoder,
  getBase58Encoder,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
  lamports,
  type Signature,
} from '@solana/kit';
import { FailedTransactionMetadata, LiteSVM } from 'litesvm';

/** Genesis hash of devnet. */
const DEVNET_GENESIS = 'EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG';
/** CAIP-2. */
export const DEVNET = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1';

const SYSTEM_PROGRAM = '11111111111111111111111111111111' as Address;
const MAXIMUM_BODY = 1_000_000;
const SLOT = 1;

export interface LiteSvmRpc {
  readonly url: string;
  readonly chain: LiteSVM;
  fund(address: string, amount: bigint): void;
  /** Lamports. */
  balance(address: string): bigint;
  blockhash(): string;
  /** Another recent blockhash: those before are too old from now on. */
  expireBlockhash(): void;
  /** The chain's time is so many seconds ahead of the machine's. */
  ahead: number;
  /** Transactions that were executed or refused since the start. */
  sent(): number;
  stop(): Promise<void>;
}

/** An error of JSON-RPC 2.0. */
class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** What a validator says for errors that LiteSVM gives as a number (solana-transaction-error). */
const ERRORS: Readonly<Record<number, readonly [name: string, text: string]>> = {
  2: ['AccountNotFound', 'Attempt to debit an account but found no record of a prior credit.'],
  4: ['InsufficientFundsForFee', 'Insufficient funds for fee'],
  6: ['AlreadyProcessed', 'This transaction has already been processed'],
  7: ['BlockhashNotFound', 'Blockhash not found'],
  11: ['SignatureFailure', 'Transaction did not pass signature verification'],
  13: ['SanitizeFailure', 'Transaction failed to sanitize accounts offsets correctly'],
};

function reasonOf(failed: FailedTransactionMetadata): readonly [name: string, text: string] {
  const error = failed.err();
  if (typeof error === 'number') return ERRORS[error] ?? [`error ${error}`, `error ${error}`];
  return ['InstructionError', error.toString()];
}

type Options = { readonly encoding?: string };

function transactionBytes(text: unknown, options: Options | undefined): Uint8Array {
  if (typeof text !== 'string') throw new RpcError(-32602, 'invalid params: a transaction is text');
  if (options?.encoding === 'base64') return Buffer.from(text, 'base64');
  try {
    return getBase58Encoder().encode(text) as Uint8Array;
  } catch {
    throw new RpcError(-32602, 'invalid params: the transaction is not base58');
  }
}

export async function startLiteSvmRpc(): Promise<LiteSvmRpc> {
  const chain = new LiteSVM();
  let sent = 0;
  /** What stands in a block, newest first. */
  const executed: { id: string; bytes: Uint8Array; err: string | null; accounts: string[]; time: number }[] =
    [];
  const now = () => Math.floor(Date.now() / 1000) + rpc.ahead;
  const rpc = { ahead: 0 };
  const base58 = (bytes: Uint8Array) => getBase58Decoder().decode(bytes);
  const context = { slot: SLOT, apiVersion: '2.0.0' };
  const balance = (address: string) => chain.getBalance(address as Address) ?? 0n;

  const methods: Record<string, (params: readonly unknown[]) => unknown> = {
    getHealth: () => 'ok',
    getVersion: () => ({ 'solana-core': '2.0.0', 'feature-set': 1 }),
    getGenesisHash: () => DEVNET_GENESIS,
    getSlot: () => SLOT,
    getBlockHeight: () => SLOT,
    getLatestBlockhash: () => ({
      context,
      value: { blockhash: chain.latestBlockhash(), lastValidBlockHeight: 1_000 },
    }),
    isBlockhashValid: ([hash]) => ({ context, value: hash === chain.latestBlockhash() }),
    getBalance: ([address]) => ({ context, value: Number(balance(address as string)) }),
    getAccountInfo: ([address]) => {
      const found = chain.getAccount(address as Address);
      if (!found.exists) return { context, value: null };
      const data = [Buffer.from(found.data).toString('base64'), 'base64'];
      const { lamports: amount, programAddress: owner, executable } = found;
      return { context, value: { lamports: Number(amount), owner, executable, data, rentEpoch: 0 } };
    },
    getMinimumBalanceForRentExemption: ([size]) =>
      Number(chain.minimumBalanceForRentExemption(BigInt(size as number))),
    requestAirdrop: ([address, amount]) => {
      const result = chain.airdrop(address as Address, lamports(BigInt(amount as number)));
      if (result === null || result instanceof FailedTransactionMetadata)
        throw new RpcError(-32603, 'the airdrop failed');
      return base58(result.signature());
    },
    sendTransaction: ([text, options]) => {
      const bytes = transactionBytes(text, options as Options | undefined);
      let transaction: ReturnType<ReturnType<typeof getTransactionDecoder>['decode']>;
      try {
        transaction = getTransactionDecoder().decode(bytes);
      } catch (error) {
        throw new RpcError(-32602, `failed to deserialize the transaction: ${(error as Error).message}`);
      }
      sent += 1;
      const result = chain.sendTransaction(transaction);
      const failed = result instanceof FailedTransactionMetadata;
      // A program's own error is charged its fee and stands in a block; others never get into one.
      if (!failed || typeof result.err() !== 'number') {
        const [id] = Object.values(transaction.signatures);
        const accounts = getCompiledTransactionMessageDecoder().decode(
          transaction.messageBytes,
        ).staticAccounts;
        executed.unshift({
          id: base58(id as Uint8Array),
          bytes,
          err: failed ? reasonOf(result)[0] : null,
          accounts: [...accounts],
          time: now(),
        });
      }
      if (failed) {
        const [err, text] = reasonOf(result);
        const logs = result.meta().logs();
        throw new RpcError(-32002, `Transaction simulation failed: ${text}`, { err, logs });
      }
      return base58(result.signature());
    },
    simulateTransaction: ([text, options]) => {
      const transaction = getTransactionDecoder().decode(transactionBytes(text, options as Options));
      const result = chain.simulateTransaction(transaction);
      const failed = result instanceof FailedTransactionMetadata;
      return {
        context,
        value: {
          err: failed ? reasonOf(result)[0] : null,
          logs: result.meta().logs(),
          unitsConsumed: Number(result.meta().computeUnitsConsumed()),
          accounts: null,
          returnData: null,
        },
      };
    },
    getBlockTime: () => now(),
    getSignaturesForAddress: ([address, options]) => {
      const { limit = 1000, before } = (options ?? {}) as { limit?: number; before?: string };
      const of = executed.filter(({ accounts }) => accounts.includes(address as string));
      const from = before === undefined ? 0 : of.findIndex(({ id }) => id === before) + 1;
      return of.slice(from, from + limit).map(({ id, err, time }) => ({
        signature: id,
        slot: SLOT,
        err,
        memo: null,
        blockTime: time,
        confirmationStatus: 'finalized',
      }));
    },
    getTransaction: ([id]) => {
      const found = executed.find((each) => each.id === id);
      if (found === undefined) return null;
      const { bytes, err, time } = found;
      const encoded = Buffer.from(bytes).toString('base64');
      return {
        slot: SLOT,
        transaction: [encoded, 'base64'],
        meta: { err },
        version: 'legacy',
        blockTime: time,
      };
    },
    getSignatureStatuses: ([signatures]) => ({
      context,
      value: (signatures as string[]).map((signature) => {
        const found = chain.getTransaction(signature as Signature);
        if (found === null) return null;
        const err = found instanceof FailedTransactionMetadata ? reasonOf(found)[0] : null;
        return { slot: SLOT, confirmations: null, err, confirmationStatus: 'finalized' };
      }),
    }),
  };

  const answerTo = (text: string): object => {
    let id: unknown = null;
    try {
      const request = JSON.parse(text) as { id?: unknown; method?: string; params?: readonly unknown[] };
      id = request.id ?? null;
      const name = request.method ?? '';
      const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
      if (method === undefined) throw new RpcError(-32601, `method ${name} not found`);
      return { jsonrpc: '2.0', id, result: method(request.params ?? []) };
    } catch (error) {
      const rpc = error instanceof RpcError ? error : new RpcError(-32603, String(error));
      return { jsonrpc: '2.0', id, error: { code: rpc.code, message: rpc.message, data: rpc.data } };
    }
  };

  const server = createServer(async (request, response) => {
    const answer = answerTo(await bodyOf(request));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    chain,
    fund: (address, amount) => {
      const found = chain.getAccount(address as Address);
      const account = found.exists
        ? found
        : {
            address: address as Address,
            data: new Uint8Array(0),
            executable: false,
            space: 0n,
            programAddress: SYSTEM_PROGRAM,
          };
      chain.setAccount({ ...account, lamports: lamports(balance(address) + amount) });
    },
    balance,
    blockhash: () => chain.latestBlockhash(),
    expireBlockhash: () => void chain.expireBlockhash(),
    get ahead() {
      return rpc.ahead;
    },
    set ahead(seconds) {
      rpc.ahead = seconds;
    },
    sent: () => sent,
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAXIMUM_BODY) throw new RangeError('the body is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
