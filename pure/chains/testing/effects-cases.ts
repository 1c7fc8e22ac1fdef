/**
 * Transactions that other libraries build, with the effects that are read from them: vectors/keystead/effects.json.
 * `node pure/chains/testing/effects-cases.ts --write` writes the file; a test compares it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { publicKey as ed25519Key } from '@keystead/crypto/ed25519';
import { publicKey as secp256k1Key } from '@keystead/crypto/secp256k1';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { Transaction as SuiTransaction } from '@mysten/sui/transactions';
import { Transaction as BitcoinTransaction } from '@scure/btc-signer';
import { RawPSBTV2 } from '@scure/btc-signer/psbt.js';
import {
  AddressLookupTableAccount,
  ComputeBudgetProgram,
  Keypair,
  PublicKey,
  StakeProgram,
  SystemProgram,
  TransactionInstruction,
  TransactionMessage,
  VersionedTransaction,
} from '@solana/web3.js';
import { Interface } from 'ethers';
import { encodeFunctionData, parseAbi, serializeTransaction, type TransactionSerializable } from 'viem';
import {
  entryPoint06Abi,
  entryPoint06Address,
  entryPoint07Abi,
  entryPoint07Address,
  toPackedUserOperation,
} from 'viem/account-abstraction';
import { privateKeyToAccount } from 'viem/accounts';
import { address as bitcoinAddress, ownScript } from '../src/bitcoin/address.ts';
import { encodeTransaction as encodeBitcoin, transactionHash } from '../src/bitcoin/transaction.ts';
import type { AddressFormat, SigningAccount } from '../src/chain.ts';
import type { ChainName } from '../src/effects.ts';
import { address as ethereumAddress } from '../src/ethereum/address.ts';
import { chainFor } from '../src/registry.ts';
import { associatedTokenAddress } from '../src/solana/address.ts';

export interface EffectsCase {
  readonly name: string;
  readonly chain: ChainName;
  readonly account: {
    readonly addressFormat: AddressFormat;
    readonly publicKey: string;
    readonly address: string;
  };
  /** Hexadecimal. */
  readonly bytes: string;
  /** Effects as canonical JSON has them: amounts and times are decimal strings. */
  readonly effects: unknown;
}

export const VECTORS: URL = new URL('../../../vectors/keystead/effects.json', import.meta.url);

export function readCases(): readonly EffectsCase[] {
  return (JSON.parse(readFileSync(VECTORS, 'utf8')) as { cases: EffectsCase[] }).cases;
}

export function accountOf(each: EffectsCase): SigningAccount {
  return {
    addressFormat: each.account.addressFormat,
    publicKey: hexDecode(each.account.publicKey),
    address: each.account.address,
    derivationPath: null,
  };
}

/** Effects in the form of the file. */
export function effectsJson(each: Pick<EffectsCase, 'account' | 'bytes'>): unknown {
  const account = accountOf(each as EffectsCase);
  const { effects } = chainFor(account.addressFormat).parseTransaction(hexDecode(each.bytes), account);
  return JSON.parse(
    JSON.stringify(effects, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
  );
}

type Built = Omit<EffectsCase, 'effects'>;
const SEED = new Uint8Array(32).fill(1);

function solanaCases(): Built[] {
  const us = Keypair.fromSeed(SEED).publicKey;
  const them = Keypair.fromSeed(new Uint8Array(32).fill(2)).publicKey;
  const key = (fill: number) => new PublicKey(new Uint8Array(32).fill(fill));
  const mint = key(60);
  const token = new PublicKey('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA');
  const token2022 = new PublicKey('TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb');
  const associated = new PublicKey('ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL');
  const ata = (owner: PublicKey, program = token) =>
    new PublicKey(associatedTokenAddress(owner.toBase58(), mint.toBase58(), program.toBase58()));
  const u64 = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, 0, 0, 0, 0, 0];
  const call = (programId: PublicKey, data: readonly number[], ...keys: PublicKey[]) =>
    new TransactionInstruction({
      programId,
      data: Buffer.from(data),
      keys: keys.map((pubkey) => ({ pubkey, isSigner: pubkey.equals(us), isWritable: true })),
    });
  const build = (
    name: string,
    instructions: TransactionInstruction[],
    form: 'legacy' | 'v0' | 'wire' = 'v0',
    tables: AddressLookupTableAccount[] = [],
  ): Built => {
    const message = new TransactionMessage({
      payerKey: us,
      recentBlockhash: key(9).toBase58(),
      instructions,
    });
    const bytes =
      form === 'legacy'
        ? message.compileToLegacyMessage().serialize()
        : form === 'v0'
          ? message.compileToV0Message(tables).serialize()
          : new VersionedTransaction(message.compileToV0Message(tables)).serialize();
    return {
      name: `solana: ${name}`,
      chain: 'solana',
      account: { addressFormat: 'Solana', publicKey: hexEncode(us.toBytes()), address: us.toBase58() },
      bytes: hexEncode(Uint8Array.from(bytes)),
    };
  };
  const transfer = SystemProgram.transfer({ fromPubkey: us, toPubkey: them, lamports: 1_000 });
  const checked = call(token, [12, ...u64(500), 6], ata(us), mint, ata(them), us);
  const table = new AddressLookupTableAccount({
    key: key(50),
    state: {
      deactivationSlot: 2n ** 64n - 1n,
      lastExtendedSlot: 0,
      lastExtendedSlotStartIndex: 0,
      addresses: [key(51), them],
    },
  });
  return [
    build('a transfer, legacy message', [transfer], 'legacy'),
    build(
      'a transfer with a priority fee, wire transaction',
      [
        ComputeBudgetProgram.setComputeUnitLimit({ units: 200_000 }),
        ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 50_000 }),
        transfer,
      ],
      'wire',
    ),
    build('a token transfer to an account made for its owner', [
      call(associated, [1], us, ata(them), them, mint, SystemProgram.programId, token),
      checked,
    ]),
    build('a batch of a transfer and a closed account', [
      call(token, [255, 4, 10, 12, ...u64(5), 6, 3, 1, 9], ata(us), mint, ata(them), us, ata(us), them, us),
    ]),
    build('a durable nonce', [
      SystemProgram.nonceAdvance({ noncePubkey: key(70), authorizedPubkey: us }),
      transfer,
    ]),
    build('a recipient in a lookup table', [transfer], 'v0', [table]),
    build('an allowance and a new owner of a token account', [
      call(token, [13, ...u64(77), 6], ata(us), mint, them, us),
      call(token, [6, 2, 1, ...them.toBytes()], ata(us), us),
    ]),
    build('stake delegated, split and withdrawn', [
      ...StakeProgram.delegate({ stakePubkey: key(71), authorizedPubkey: us, votePubkey: key(72) })
        .instructions,
      ...StakeProgram.withdraw({
        stakePubkey: key(71),
        authorizedPubkey: us,
        toPubkey: them,
        lamports: 11,
      }).instructions,
    ]),
    build('an unknown program with our signature, and a memo', [
      call(key(73), [1, 2, 3, 4, 5, 6, 7, 8], us, them),
      call(new PublicKey('MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr'), [104, 105]),
    ]),
    build('a Token-2022 mint with a hook and a permanent delegate', [
      SystemProgram.createAccount({
        fromPubkey: us,
        newAccountPubkey: mint,
        lamports: 4_000_000,
        space: 300,
        programId: token2022,
      }),
      call(token2022, [36, 0, ...us.toBytes(), ...key(74).toBytes()], mint),
      call(token2022, [35, ...them.toBytes()], mint),
      call(token2022, [20, 6, ...us.toBytes(), 0], mint),
    ]),
  ];
}

async function ethereumCases(): Promise<Built[]> {
  const key = secp256k1Key(SEED);
  const own = ethereumAddress(key, 'Ethereum') as `0x${string}`;
  const to = `0x${'22'.repeat(20)}` as const;
  const token = `0x${'33'.repeat(20)}` as const;
  const build = (name: string, hex: string): Built => ({
    name: `ethereum: ${name}`,
    chain: 'ethereum',
    account: { addressFormat: 'Ethereum', publicKey: hexEncode(key), address: own },
    bytes: hex.slice(2),
  });
  const fees = { nonce: 7, gas: 100_000n, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 10n ** 9n };
  const dynamic = (name: string, more: object): Built =>
    build(
      name,
      serializeTransaction({ type: 'eip1559', chainId: 1, ...fees, to, ...more } as TransactionSerializable),
    );
  const transfer = encodeFunctionData({
    abi: parseAbi(['function transfer(address,uint256)']),
    args: [to, 5n],
  });
  const approve = encodeFunctionData({
    abi: parseAbi(['function approve(address,uint256)']),
    args: [to, 2n ** 256n - 1n],
  });
  const call = (signature: string, args: readonly unknown[]) =>
    new Interface([`function ${signature}`]).encodeFunctionData(
      signature.slice(0, signature.indexOf('(')),
      args,
    );
  const authorization = await privateKeyToAccount(`0x${'07'.repeat(32)}`).signAuthorization({
    chainId: 1,
    nonce: 3,
    address: to,
  });
  const userOperation = {
    sender: own,
    nonce: 3n,
    callData: encodeFunctionData({
      abi: parseAbi(['function execute(address,uint256,bytes)']),
      args: [token, 6n, transfer],
    }),
    callGasLimit: 50_000n,
    verificationGasLimit: 60_000n,
    preVerificationGas: 40_000n,
    maxFeePerGas: 10n ** 10n,
    maxPriorityFeePerGas: 10n ** 9n,
    signature: '0x12',
  } as const;
  const packed = `0x00${token.slice(2)}${'0'.repeat(64)}${'44'.padStart(64, '0')}${transfer.slice(2)}`;
  const zero = `0x${'0'.repeat(40)}`;
  return [
    dynamic('a transfer', { value: 10n ** 18n }),
    dynamic('a token transfer', { to: token, data: transfer }),
    dynamic('an allowance without a bound', { to: token, data: approve }),
    dynamic('a transfer where bytes cost extra', { chainId: 8453, value: 1n }),
    dynamic('an unknown call with value', { value: 9n, data: '0xdeadbeef00' }),
    dynamic('a contract', { to: null, data: '0x6001600055' }),
    dynamic('a multicall of a multicall', {
      to: token,
      data: call('multicall(bytes[])', [[transfer, call('multicall(bytes[])', [[approve]])]]),
    }),
    dynamic('a Safe that runs a multiSend as its own code', {
      data: call(
        'execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)',
        [token, 0n, call('multiSend(bytes)', [packed]), 1, 0n, 0n, 0n, zero, zero, '0x12'],
      ),
    }),
    dynamic('a multicall with value', {
      value: 50n,
      data: call('aggregate3Value((address,bool,uint256,bytes)[])', [
        [
          [to, false, 30n, '0x'],
          [token, false, 12n, transfer],
        ],
      ]),
    }),
    dynamic('a batch of ERC-1155 tokens', {
      to: token,
      data: call('safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)', [
        own,
        to,
        [1n, 2n],
        [3n, 4n],
        '0x99',
      ]),
    }),
    dynamic('a user operation handed in', {
      to: entryPoint07Address,
      data: encodeFunctionData({
        abi: entryPoint07Abi,
        functionName: 'handleOps',
        args: [[toPackedUserOperation(userOperation)], to],
      }),
    }),
    dynamic('user operations with paymaster, factory and aggregator', {
      to: entryPoint06Address,
      data: encodeFunctionData({
        abi: entryPoint06Abi,
        functionName: 'handleAggregatedOps',
        args: [
          [
            {
              userOps: [
                {
                  ...userOperation,
                  initCode: `${token}0102`,
                  paymasterAndData: `${token}03`,
                },
              ],
              aggregator: token,
              signature: '0x04',
            },
          ],
          to,
        ],
      }),
    }),
    build(
      'legacy',
      serializeTransaction({ type: 'legacy', chainId: 1, nonce: 7, gas: 21_000n, gasPrice: 10n ** 10n, to }),
    ),
    build(
      'an access list',
      serializeTransaction({
        type: 'eip2930',
        chainId: 1,
        nonce: 7,
        gas: 30_000n,
        gasPrice: 10n ** 10n,
        to,
        accessList: [{ address: token, storageKeys: [`0x${'44'.repeat(32)}`] }],
      }),
    ),
    build(
      'an account under foreign code',
      serializeTransaction({ type: 'eip7702', chainId: 1, ...fees, to, authorizationList: [authorization] }),
    ),
    build('an authorisation alone', `0x05d70194${to.slice(2)}08`),
  ];
}

/** Version 2, which nobody may add to any more. */
function fixedPsbt(transaction: BitcoinTransaction): Uint8Array {
  const psbt = RawPSBTV2.decode(transaction.toPSBT(2));
  return RawPSBTV2.encode({ ...psbt, global: { ...psbt.global, txModifiable: 0 } });
}

function bitcoinCases(): Built[] {
  const key = secp256k1Key(SEED);
  const none = new Uint8Array(0);
  const foreign = ownScript(secp256k1Key(new Uint8Array(32).fill(2)), 'BitcoinSegwit');
  const build = (
    name: string,
    format: 'BitcoinSegwit' | 'BitcoinTaproot',
    inputs: readonly [script: Uint8Array, amount: bigint][],
    outputs: readonly [script: Uint8Array, amount: bigint][],
    version: 0 | 2 = 0,
  ): Built => {
    const transaction = new BitcoinTransaction({ allowUnknownOutputs: true, allowUnknownInputs: true });
    for (const [position, [script, amount]] of inputs.entries()) {
      const previous = {
        version: 2,
        inputs: [
          {
            previousId: new Uint8Array(32).fill(position + 1),
            previousIndex: 0,
            scriptSig: none,
            sequence: 0xffffffff,
            witness: [],
          },
        ],
        outputs: [{ amount, script }],
        lockTime: 0,
      };
      transaction.addInput({
        txid: transactionHash(previous).reverse(),
        index: 0,
        sequence: 0xfffffffd,
        witnessUtxo: { script, amount },
        nonWitnessUtxo: encodeBitcoin(previous),
      });
    }
    for (const [script, amount] of outputs) transaction.addOutput({ script, amount });
    return {
      name: `bitcoin: ${name}`,
      chain: 'bitcoin',
      account: {
        addressFormat: format,
        publicKey: hexEncode(key),
        address: bitcoinAddress(key, format),
      },
      bytes: hexEncode(version === 0 ? transaction.toPSBT(0) : fixedPsbt(transaction)),
    };
  };
  const segwit = ownScript(key, 'BitcoinSegwit');
  const taproot = ownScript(key, 'BitcoinTaproot');
  return [
    build(
      'a payment with change, PSBT version 2',
      'BitcoinSegwit',
      [[segwit, 60_000n]],
      [
        [foreign, 10_000n],
        [segwit, 49_000n],
      ],
      2,
    ),
    build(
      'a payment with change',
      'BitcoinSegwit',
      [[segwit, 60_000n]],
      [
        [foreign, 10_000n],
        [segwit, 49_000n],
      ],
    ),
    build(
      'two taproot inputs',
      'BitcoinTaproot',
      [
        [taproot, 60_000n],
        [taproot, 50_000n],
      ],
      [[foreign, 100_000n]],
    ),
    build(
      'a joint transaction',
      'BitcoinSegwit',
      [
        [segwit, 60_000n],
        [foreign, 70_000n],
      ],
      [
        [foreign, 120_000n],
        [segwit, 5_000n],
      ],
    ),
    build(
      'data and an unknown witness version',
      'BitcoinSegwit',
      [[segwit, 60_000n]],
      [
        [hexDecode('6a0401020304'), 0n],
        [hexDecode(`5220${'01'.repeat(32)}`), 50_000n],
      ],
    ),
  ];
}

async function suiCases(): Promise<Built[]> {
  const keypair = Ed25519Keypair.fromSecretKey(SEED);
  const them = Ed25519Keypair.fromSecretKey(new Uint8Array(32).fill(2)).toSuiAddress();
  const id = (fill: number) => `0x${fill.toString(16).repeat(32)}`;
  const object = (fill: number) => ({
    objectId: id(fill),
    version: '7',
    digest: '11111111111111111111111111111112',
  });
  const usdc = `${id(0xee)}::usdc::USDC`;
  const build = async (name: string, fill: (transaction: SuiTransaction) => void): Promise<Built> => {
    const transaction = new SuiTransaction();
    transaction.setSender(keypair.toSuiAddress());
    transaction.setGasPayment([object(0xaa)]);
    transaction.setGasPrice(1000n);
    transaction.setGasBudget(5_000_000n);
    transaction.setExpiration({ None: true });
    fill(transaction);
    return {
      name: `sui: ${name}`,
      chain: 'sui',
      account: {
        addressFormat: 'Sui',
        publicKey: hexEncode(ed25519Key(SEED)),
        address: keypair.toSuiAddress(),
      },
      bytes: hexEncode(await transaction.build()),
    };
  };
  return Promise.all([
    build('a transfer', (transaction) => {
      const [coin] = transaction.splitCoins(transaction.gas, [1_000n]);
      transaction.transferObjects([coin!], them);
    }),
    build('a payment by type', (transaction) => {
      transaction.moveCall({
        target: '0x2::pay::split_and_transfer',
        typeArguments: [usdc],
        arguments: [
          transaction.objectRef(object(0xbb)),
          transaction.pure.u64(9n),
          transaction.pure.address(them),
        ],
      });
    }),
    build('merged coins and an object', (transaction) => {
      const coin = transaction.objectRef(object(0xbb));
      transaction.mergeCoins(coin, [transaction.objectRef(object(0xbc))]);
      const list = transaction.makeMoveVec({ elements: [coin] });
      transaction.transferObjects([list, transaction.gas], them);
    }),
    build('unknown code with a coin', (transaction) => {
      const [coin] = transaction.splitCoins(transaction.gas, [5n]);
      const [out] = transaction.moveCall({
        target: `${id(0xdd)}::pool::swap`,
        typeArguments: [`vector<${usdc}>`],
        arguments: [coin!],
      });
      transaction.transferObjects([out!], keypair.toSuiAddress());
    }),
    build('a stake', (transaction) => {
      const [coin] = transaction.splitCoins(transaction.gas, [1_000_000_000n]);
      transaction.moveCall({
        target: '0x3::sui_system::request_add_stake',
        arguments: [
          transaction.sharedObjectRef({ objectId: '0x5', initialSharedVersion: 1, mutable: true }),
          coin!,
          transaction.pure.address(id(0xcc)),
        ],
      });
    }),
  ]);
}

/** Every case, built anew. */
export async function buildCases(): Promise<readonly EffectsCase[]> {
  const built = [...solanaCases(), ...(await ethereumCases()), ...bitcoinCases(), ...(await suiCases())];
  return built.map((each) => ({ ...each, effects: effectsJson(each) }));
}

export function fileText(cases: readonly EffectsCase[]): string {
  return `${JSON.stringify({ source: 'own, spec/effects.md', cases }, null, 1)}\n`;
}

if (process.argv[1] === import.meta.filename) {
  const text = fileText(await buildCases());
  if (process.argv.includes('--write')) writeFileSync(VECTORS, text);
  else process.stdout.write(text);
}
