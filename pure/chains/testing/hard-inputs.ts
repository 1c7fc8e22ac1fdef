/** The dearest inputs that we know how to make: large, and of the parts that cost most per byte. */
import { publicKey as ed25519Key } from '@keystead/crypto/ed25519';
import { keccak256 } from '@keystead/crypto/keccak256';
import { ecdsaSign, publicKey as secp256k1Key } from '@keystead/crypto/secp256k1';
import { address as bitcoinAddress, ownScript } from '../src/bitcoin/address.ts';
import { encodePsbt, GLOBAL, INPUT, OUTPUT } from '../src/bitcoin/psbt.ts';
import {
  encodeOutput,
  encodeTransaction as encodeBitcoin,
  transactionHash,
} from '../src/bitcoin/transaction.ts';
import type { ParseContext, SigningAccount } from '../src/chain.ts';
import type { ChainName } from '../src/effects.ts';
import { address as ethereumAddress } from '../src/ethereum/address.ts';
import { bytesToInteger } from '../src/ethereum/rlp.ts';
import { encodeCallData } from '../src/ethereum/selector.ts';
import { encodeAuthorizationPreimage, encodeUnsignedTransaction } from '../src/ethereum/transaction.ts';
import { parseAddress as solanaBytes, address as solanaAddress } from '../src/solana/address.ts';
import { encodeMessage } from '../src/solana/message.ts';
import { ASSOCIATED_TOKEN_PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM } from '../src/solana/programs.ts';
import { address as suiAddress } from '../src/sui/address.ts';
import { type Argument, type Command, encodeTransaction as encodeSui } from '../src/sui/transaction.ts';

export interface HardInput {
  readonly name: string;
  readonly chain: ChainName;
  readonly account: SigningAccount;
  readonly bytes: Uint8Array;
  readonly context?: ParseContext;
}

const SEED = new Uint8Array(32).fill(1);
const SECP = secp256k1Key(SEED);
const MOST_BYTES = 131_072;

function solana(): HardInput[] {
  const publicKey = ed25519Key(SEED);
  const account: SigningAccount = {
    publicKey,
    addressFormat: 'Solana',
    address: solanaAddress(publicKey, 'Solana'),
    derivationPath: null,
  };
  const key = (fill: number) => new Uint8Array(32).fill(fill);
  const programs = [ASSOCIATED_TOKEN_PROGRAM, TOKEN_PROGRAM, SYSTEM_PROGRAM].map(solanaBytes);
  const build = (mints: number, instruction: (mint: number) => { accounts: number[]; data: number[] }) => {
    // Account 0 is ours, then the mints, then the three programs.
    const keys = [
      publicKey,
      ...Array.from({ length: mints }, (_, i) => Uint8Array.from([i + 1, ...key(99).subarray(1)])),
      ...programs,
    ];
    const instructions = Array.from({ length: mints }, (_, i) => instruction(i + 1));
    return encodeMessage({
      version: 'legacy',
      header: { requiredSignatures: 1, readonlySigned: 0, readonlyUnsigned: 0 },
      accountKeys: keys,
      recentBlockhash: key(9),
      instructions: instructions.map(({ accounts, data }) => ({
        programIndex: data[0] === 1 ? mints + 1 : mints + 2,
        accountIndexes: Uint8Array.from(accounts),
        data: Uint8Array.from(data),
      })),
      lookups: [],
    });
  };
  const transfers = build(20, (mint) => ({
    accounts: [0, mint, mint, 0],
    data: [12, 5, 0, 0, 0, 0, 0, 0, 0, 6],
  }));
  return [
    {
      name: 'associated accounts of 22 mints',
      chain: 'solana',
      account,
      bytes: build(22, (mint) => ({ accounts: [0, mint, 0, mint, 25, 24], data: [1] })),
    },
    { name: 'transfers of 20 mints', chain: 'solana', account, bytes: transfers },
    {
      name: 'transfers of 20 mints with 64 known owners',
      chain: 'solana',
      account,
      bytes: transfers,
      context: {
        knownOwners: Array.from({ length: 64 }, (_, i) => solanaAddress(key(100 + i), 'Solana')),
      },
    },
  ];
}

function ethereum(): HardInput[] {
  const account: SigningAccount = {
    publicKey: SECP,
    addressFormat: 'Ethereum',
    address: ethereumAddress(SECP, 'Ethereum'),
    derivationPath: null,
  };
  const to = new Uint8Array(20).fill(0x22);
  const build = (name: string, data: Uint8Array, more = {}): HardInput => ({
    name,
    chain: 'ethereum',
    account,
    bytes: encodeUnsignedTransaction({
      version: 'eip1559',
      chainId: 1n,
      nonce: 7n,
      maxPriorityFeePerGas: 1n,
      maxFeePerGas: 10n,
      gasLimit: 100_000n,
      to,
      value: 0n,
      data,
      accessList: [],
      authorizationList: [],
      ...more,
    }),
  });
  const text = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;
  const addresses = (count: number) => Array.from({ length: count }, (_, i) => text(i + 1));
  const transfer = encodeCallData('transfer(address,uint256)', [text(9), 5n]);
  let nested = encodeCallData('executeBatch(address[],bytes[])', [addresses(400), []]);
  for (let depth = 0; depth < 3; depth++) nested = encodeCallData('multicall(bytes[])', [[nested]]);
  const authorize = (nonce: bigint) => {
    const unsigned = { chainId: 1n, address: to, nonce };
    const signature = ecdsaSign(new Uint8Array(32).fill(3), keccak256(encodeAuthorizationPreimage(unsigned)));
    return {
      ...unsigned,
      yParity: BigInt(signature.recovery),
      r: bytesToInteger(signature.bytes.subarray(0, 32)),
      s: bytesToInteger(signature.bytes.subarray(32)),
    };
  };
  return [
    build('130,000 bytes of an unknown call', new Uint8Array(130_000).fill(0xfe)),
    build(
      'addresses of 1,000 and no calls',
      encodeCallData('executeBatch(address[],bytes[])', [addresses(1000), []]),
    ),
    build('64 calls', encodeCallData('multicall(bytes[])', [Array.from({ length: 64 }, () => transfer)])),
    build('addresses of 400 inside three calls', nested),
    build(
      '350 tokens in a batch',
      encodeCallData('safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)', [
        text(1),
        text(2),
        Array.from({ length: 350 }, (_, i) => BigInt(i)),
        Array.from({ length: 350 }, () => 1n),
        new Uint8Array(0),
      ]),
    ),
    build('15 authorisations', new Uint8Array(0), {
      version: 'eip7702',
      authorizationList: Array.from({ length: 15 }, (_, i) => authorize(BigInt(i))),
    }),
    build('3,000 storage keys', new Uint8Array(0), {
      accessList: [
        { address: to, storageKeys: Array.from({ length: 3000 }, () => new Uint8Array(32).fill(7)) },
      ],
    }),
  ];
}

function bitcoin(): HardInput[] {
  const format = 'BitcoinSegwit';
  const account: SigningAccount = {
    publicKey: SECP,
    addressFormat: format,
    address: bitcoinAddress(SECP, format),
    derivationPath: null,
  };
  const own = ownScript(SECP, format);
  const none = new Uint8Array(0);
  const build = (
    name: string,
    inputs: number,
    outputs: readonly {
      script: Uint8Array;
      records: readonly { type: number; keyData: Uint8Array; value: Uint8Array }[];
    }[],
    context?: ParseContext,
  ): HardInput => {
    const previous = Array.from({ length: inputs }, (_, i) => ({
      version: 2,
      inputs: [
        {
          previousId: Uint8Array.from([i & 255, i >> 8, ...new Uint8Array(30)]),
          previousIndex: 0,
          scriptSig: none,
          sequence: 0,
          witness: [],
        },
      ],
      outputs: [{ amount: 100_000n, script: own }],
      lockTime: 0,
    }));
    const unsigned = encodeBitcoin({
      version: 2,
      inputs: previous.map((each) => ({
        previousId: transactionHash(each),
        previousIndex: 0,
        scriptSig: none,
        sequence: 0xfffffffd,
        witness: [],
      })),
      outputs: outputs.map(({ script }) => ({ amount: 10n, script })),
      lockTime: 0,
    });
    const record = (type: number, value: Uint8Array) => ({ type, keyData: none, value });
    return {
      name,
      chain: 'bitcoin',
      account,
      bytes: encodePsbt({
        global: [record(GLOBAL.UNSIGNED_TX, unsigned)],
        inputs: previous.map((each) => [
          record(INPUT.NON_WITNESS_UTXO, encodeBitcoin(each)),
          record(INPUT.WITNESS_UTXO, encodeOutput({ amount: 100_000n, script: own })),
        ]),
        outputs: outputs.map(({ records }) => records),
      }),
      ...(context === undefined ? {} : { context }),
    };
  };
  const foreign = (i: number) => Uint8Array.from([0, 20, i & 255, i >> 8, ...new Uint8Array(18)]);
  const claim = (index: number) => {
    const value = new Uint8Array(24);
    const path = [0x8000_0054, 0x8000_0000, 0x8000_0000, 1, index];
    for (const [i, level] of path.entries()) new DataView(value.buffer).setUint32(4 + 4 * i, level, true);
    return { type: OUTPUT.BIP32_DERIVATION, keyData: SECP, value };
  };
  const accountKey = {
    path: "m/84'/0'/0'",
    publicKey: SECP,
    chainCode: new Uint8Array(32).fill(8),
    highestUsed: [0, 0],
  } as const;
  return [
    build('500 inputs of ours', 500, [{ script: foreign(1), records: [] }]),
    build(
      '400 outputs',
      1,
      Array.from({ length: 400 }, (_, i) => ({ script: foreign(i), records: [] })),
    ),
    build(
      '18 claims of change',
      1,
      Array.from({ length: 18 }, (_, i) => ({ script: foreign(i), records: [claim(i)] })),
      { accountKey },
    ),
  ];
}

function sui(): HardInput[] {
  const publicKey = ed25519Key(SEED);
  const address = suiAddress(publicKey, 'Sui');
  const account: SigningAccount = { publicKey, addressFormat: 'Sui', address, derivationPath: null };
  const sender = Uint8Array.from(address.slice(2).match(/../g)!, (digits) => Number.parseInt(digits, 16));
  const reference = (n: number) => ({
    id: Uint8Array.from([n & 255, n >> 8, ...new Uint8Array(29), 0xbb]),
    version: 7n,
    digest: new Uint8Array(32),
  });
  const build = (name: string, inputs: number, commands: readonly Command[]): HardInput => ({
    name,
    chain: 'sui',
    account,
    bytes: encodeSui({
      inputs: [
        { kind: 'pure', bytes: new Uint8Array(8).fill(1) },
        { kind: 'pure', bytes: new Uint8Array(32).fill(2) },
        ...Array.from({ length: inputs }, (_, i) => ({ kind: 'owned', reference: reference(i) }) as const),
      ],
      commands,
      sender,
      gas: { payment: [reference(60_000)], owner: sender, price: 1000n, budget: 5_000_000n },
      expirationEpoch: null,
    }),
  });
  const input = (index: number): Argument => ({ kind: 'input', index });
  const vector = (elements: readonly Argument[]): Command => ({
    kind: 'make-move-vector',
    type: null,
    elements,
  });
  const result = (index: number): Argument => ({ kind: 'result', index });
  return [
    build('1,000 splits', 0, [
      ...Array.from(
        { length: 1000 },
        (): Command => ({ kind: 'split-coins', coin: { kind: 'gas' }, amounts: [input(0), input(0)] }),
      ),
    ]),
    build('300 objects that leave', 300, [
      {
        kind: 'transfer-objects',
        objects: Array.from({ length: 300 }, (_, i) => input(i + 2)),
        address: input(1),
      },
    ]),
    build(
      'a value doubled 14 times',
      1,
      Array.from({ length: 14 }, (_, i) =>
        vector(i === 0 ? [input(2), input(2)] : [result(i - 1), result(i - 1)]),
      ),
    ),
    build(
      '60 merges of 499 sources',
      500,
      Array.from(
        { length: 60 },
        (): Command => ({
          kind: 'merge-coins',
          destination: input(2),
          sources: Array.from({ length: 499 }, (_, i) => input(i + 3)),
        }),
      ),
    ),
  ];
}

export function hardInputs(): readonly HardInput[] {
  const all = [...solana(), ...ethereum(), ...bitcoin(), ...sui()];
  for (const { name, bytes } of all) {
    if (bytes.length > MOST_BYTES) throw new Error(`${name} has ${bytes.length} bytes`);
  }
  return all;
}
