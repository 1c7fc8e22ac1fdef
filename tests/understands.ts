/**
 * docs/understands.md: what the decoders make of each construct, found out by giving it to them.
 * `node tests/understands.ts --write` writes the tables.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownScript } from '@keystead/chains/bitcoin/address';
import { decodePsbt, encodePsbt, INPUT, type Psbt } from '@keystead/chains/bitcoin/psbt';
import { encodeTransaction as encodeBitcoin } from '@keystead/chains/bitcoin/transaction';
import type { SigningAccount } from '@keystead/chains/chain';
import type { ChainName, Effects } from '@keystead/chains/effects';
import { ChainError } from '@keystead/chains/error';
import type { AbiType, AbiValue } from '@keystead/chains/ethereum/abi';
import { ENTRY_POINTS } from '@keystead/chains/ethereum/chain-parameters';
import { KNOWN_CALLS } from '@keystead/chains/ethereum/calls/known';
import { ORDER_TYPES } from '@keystead/chains/ethereum/orders';
import { encodeRlp } from '@keystead/chains/ethereum/rlp';
import { encodeCallData } from '@keystead/chains/ethereum/selector';
import { encodeUnsignedTransaction, type EthereumTransaction } from '@keystead/chains/ethereum/transaction';
import { hashTypedData } from '@keystead/chains/ethereum/typed-data';
import { USER_OPERATION_TYPE } from '@keystead/chains/ethereum/user-operation';
import { chainFor } from '@keystead/chains/registry';
import { associatedTokenAddress, parseAddress as solanaKey } from '@keystead/chains/solana/address';
import { encodeMessage } from '@keystead/chains/solana/message';
import {
  ASSOCIATED_TOKEN_PROGRAM,
  COMPUTE_BUDGET_PROGRAM,
  MEMO_PROGRAMS,
  PRECOMPILES,
  STAKE_PROGRAM,
  SYSTEM_PROGRAM,
  TOKEN_2022_PROGRAM,
  TOKEN_PROGRAM,
} from '@keystead/chains/solana/programs';
import { STAKE_NAMES } from '@keystead/chains/solana/stake';
import { SYSTEM_NAMES } from '@keystead/chains/solana/system';
import { TOKEN_NAMES } from '@keystead/chains/solana/token';
import { TOKEN_EXTENSION_NAMES } from '@keystead/chains/solana/token-extension';
import { MOVE_FUNCTIONS } from '@keystead/chains/sui/move-calls';
import {
  type Argument,
  type Command,
  encodeTransaction as encodeSui,
  type TypeTag,
} from '@keystead/chains/sui/transaction';
import { accountOf, readCases } from '@keystead/chains/testing/effects-cases';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { base58Encode } from '@keystead/crypto/base58';
import { sha256 } from '@keystead/crypto/sha256';
import { hexDecode } from '@keystead/crypto/hex';

const ROOT = join(import.meta.dirname, '..');
export const PAGE = join(ROOT, 'docs/understands.md');

/** One construct and a transaction that holds it. */
export interface Probe {
  readonly construct: string;
  read(): Effects;
}

export interface Row {
  readonly construct: string;
  readonly verdict: string;
}

/** What the decoder says: decoded, refused with a code, or in need of a rule that names it. */
function verdictOf(probe: Probe): string {
  try {
    const { unresolved, takeovers, outflows, grants } = probe.read();
    const named = new Set([
      ...unresolved.map(({ kind }) => `\`${kind}\``),
      ...takeovers.map(({ kind }) => `takeover \`${kind}\``),
      ...(outflows.some(({ amount }) => amount === 'unbounded') ? ['unbounded outflow'] : []),
      ...(grants.some(({ amount }) => amount === 'unbounded') ? ['unbounded grant'] : []),
    ]);
    return named.size === 0 ? 'decoded' : `needs a rule: ${[...named].join(', ')}`;
  } catch (error) {
    if (!(error instanceof ChainError)) throw error;
    return `refused: \`${error.code}\``;
  }
}

const CASES = readCases();
const accountFor = (format: string): SigningAccount =>
  accountOf(CASES.find((each) => each.account.addressFormat === format)!);
const parse = (account: SigningAccount, bytes: Uint8Array): Effects =>
  chainFor(account.addressFormat).parseTransaction(bytes, account).effects;
const caseOf = (name: string, construct: string): Probe => {
  const found = CASES.find((each) => each.name === name)!;
  return { construct, read: () => parse(accountOf(found), hexDecode(found.bytes)) };
};

// Solana

const US = accountFor('Solana');
const fill = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);
const list = (...bytes: number[]): number[] => bytes;
const u64 = (value: number): number[] => list(value & 255, value >> 8, 0, 0, 0, 0, 0, 0);
const u32 = (value: number): number[] => list(value, 0, 0, 0);
const key = (byte: number): number[] => [...fill(byte)];

/** An instruction whose accounts are numbers: 0 is ours, others are strangers. */
function solanaProbe(
  construct: string,
  program: string,
  data: readonly number[],
  accounts: readonly (number | string)[],
): Probe {
  return {
    construct,
    read: () => {
      const others = [...new Set(accounts.filter((each) => each !== 0))];
      const keys = [
        US.publicKey,
        ...others.map((each) => (typeof each === 'string' ? solanaKey(each) : fill(each))),
        solanaKey(program),
      ];
      return parse(
        US,
        encodeMessage({
          version: 'legacy',
          header: { requiredSignatures: 1, readonlySigned: 0, readonlyUnsigned: 1 },
          accountKeys: keys,
          recentBlockhash: fill(9),
          instructions: [
            {
              programIndex: keys.length - 1,
              accountIndexes: Uint8Array.from(accounts, (each) =>
                each === 0 ? 0 : others.indexOf(each) + 1,
              ),
              data: Uint8Array.from(data),
            },
          ],
          lookups: [],
        }),
      );
    },
  };
}

const seeded = (owner: number): string =>
  base58Encode(sha256(concatBytes(US.publicKey, utf8Encode('s'), fill(owner))));
const SEED = [...u64(1), 0x73];
const SYSTEM: Readonly<Record<number, [data: number[], accounts: (number | string)[]]>> = {
  0: [
    [...u64(5), ...u64(0), ...key(4)],
    [0, 5],
  ],
  1: [key(4), [5]],
  2: [u64(5), [0, 5]],
  3: [
    [...US.publicKey, ...SEED, ...u64(5), ...u64(0), ...key(4)],
    [0, seeded(4)],
  ],
  4: [[], [5, 6, 0]],
  5: [u64(5), [5, 7, 6, 8, 0]],
  6: [key(4), [5, 6, 7]],
  7: [key(4), [5, 0]],
  8: [u64(5), [5]],
  9: [
    [...US.publicKey, ...SEED, ...u64(5), ...key(4)],
    [5, 0],
  ],
  10: [
    [...US.publicKey, ...SEED, ...key(4)],
    [5, 0],
  ],
  11: [
    [...u64(5), ...SEED, ...key(4)],
    [5, 0, 6],
  ],
  12: [[], [5]],
};
const STAKE: Readonly<Record<number, [data: number[], accounts: number[]]>> = {
  0: [
    [...key(4), ...key(4), ...u64(0), ...u64(0), ...key(4)],
    [5, 6],
  ],
  1: [
    [...key(4), ...u32(1)],
    [5, 6, 0],
  ],
  2: [[], [5, 6, 7, 8, 9, 0]],
  3: [u64(5), [5, 6, 0]],
  4: [u64(5), [5, 6, 7, 8, 0]],
  5: [[], [5, 6, 0]],
  6: [
    [0, 0, 0],
    [5, 0],
  ],
  7: [[], [5, 6, 7, 8, 0]],
  8: [
    [...key(4), ...u32(1), ...SEED, ...key(4)],
    [5, 0, 6],
  ],
  9: [[], [5, 6, 7, 8]],
  10: [u32(1), [5, 6, 0, 7]],
  11: [
    [...u32(1), ...SEED, ...key(4)],
    [5, 0, 6, 7],
  ],
  12: [
    [0, 0],
    [5, 0],
  ],
  13: [[], []],
  14: [[], [5, 6, 7]],
  16: [u64(5), [5, 6, 0]],
  17: [u64(5), [5, 6, 0]],
};
const TOKEN: Readonly<Record<number, [data: number[], accounts: number[]]>> = {
  0: [
    [6, ...key(4), 0],
    [5, 6],
  ],
  1: [[], [5, 6, 7, 8]],
  2: [[1], [5, 6, 7]],
  3: [u64(5), [5, 6, 0]],
  4: [u64(5), [5, 6, 0]],
  5: [[], [5, 0]],
  6: [
    [2, 1, ...key(4)],
    [5, 0],
  ],
  7: [u64(5), [5, 6, 0]],
  8: [u64(5), [5, 6, 0]],
  9: [[], [5, 6, 0]],
  10: [[], [5, 6, 0]],
  11: [[], [5, 6, 0]],
  12: [
    [...u64(5), 6],
    [5, 6, 7, 0],
  ],
  13: [
    [...u64(5), 6],
    [5, 6, 7, 0],
  ],
  14: [
    [...u64(5), 6],
    [5, 6, 0],
  ],
  15: [
    [...u64(5), 6],
    [5, 6, 0],
  ],
  16: [key(4), [5, 6, 7]],
  17: [[], [5]],
  18: [key(4), [5, 6]],
  19: [[1], [5, 6]],
  20: [[6, ...key(4), 0], [5]],
  21: [[], [5]],
  22: [[], [5]],
  23: [u64(5), [5]],
  24: [[0x31], [5]],
  38: [[], [5, 6, 0]],
  45: [
    [1, ...u64(5)],
    [5, 6, 0],
  ],
};
/** Data and accounts of what only Token-2022 has; our key is the authority where there is one. */
const EXTENSIONS: Readonly<Record<string, [data: number[], accounts: number[]]>> = {
  'token.initialize-mint-close-authority': [[25, 0], [5]],
  'token.initialize-transfer-fee': [[26, 0, 0, 0, ...fill(0, 10)], [5]],
  'token.withdraw-withheld-from-mint': [
    [26, 2],
    [5, 6, 0],
  ],
  'token.withdraw-withheld-from-accounts': [
    [26, 3, 1],
    [5, 6, 0],
  ],
  'token.harvest-withheld-to-mint': [[26, 4], [5]],
  'token.set-transfer-fee': [
    [26, 5, ...fill(0, 10)],
    [5, 0],
  ],
  'token.initialize-default-account-state': [[28, 0, 1], [5]],
  'token.update-default-account-state': [
    [28, 1, 1],
    [5, 0],
  ],
  'token.enable-memo-transfers': [
    [30, 0],
    [5, 0],
  ],
  'token.disable-memo-transfers': [
    [30, 1],
    [5, 0],
  ],
  'token.initialize-non-transferable-mint': [[32], [5]],
  'token.initialize-interest-bearing-mint': [[33, 0, ...fill(0, 34)], [5]],
  'token.update-interest-rate': [
    [33, 1, 0, 0],
    [5, 0],
  ],
  'token.enable-cpi-guard': [
    [34, 0],
    [5, 0],
  ],
  'token.disable-cpi-guard': [
    [34, 1],
    [5, 0],
  ],
  'token.initialize-permanent-delegate': [[35, ...key(4)], [5]],
  'token.initialize-transfer-hook': [[36, 0, ...fill(4, 64)], [5]],
  'token.update-transfer-hook': [
    [36, 1, ...key(4)],
    [5, 0],
  ],
  'token.initialize-metadata-pointer': [[39, 0, ...fill(4, 64)], [5]],
  'token.update-metadata-pointer': [
    [39, 1, ...key(4)],
    [5, 0],
  ],
  'token.initialize-group-pointer': [[40, 0, ...fill(4, 64)], [5]],
  'token.update-group-pointer': [
    [40, 1, ...key(4)],
    [5, 0],
  ],
  'token.initialize-group-member-pointer': [[41, 0, ...fill(4, 64)], [5]],
  'token.update-group-member-pointer': [
    [41, 1, ...key(4)],
    [5, 0],
  ],
  'token.initialize-scaled-ui-amount': [[43, 0, ...fill(4, 40)], [5]],
  'token.update-scaled-ui-amount': [
    [43, 1, ...fill(4, 16)],
    [5, 0],
  ],
  'token.initialize-pausable': [[44, 0, ...key(4)], [5]],
  'token.pause': [
    [44, 1],
    [5, 0],
  ],
  'token.resume': [
    [44, 2],
    [5, 0],
  ],
  'token.initialize-permissioned-burn': [[46, 0, ...key(4)], [5]],
  'token.permissioned-burn': [
    [46, 1, ...u64(5)],
    [5, 6, 7, 0],
  ],
  'token.permissioned-burn-checked': [
    [46, 2, ...u64(5), 6],
    [5, 6, 7, 0],
  ],
  'token.confidential-transfer': [
    [27, 7],
    [5, 6, 7, 0],
  ],
  'token.confidential-transfer-fee': [
    [37, 1],
    [5, 6, 7, 0],
  ],
  'token.confidential-mint-burn': [
    [42, 3],
    [5, 6, 7, 0],
  ],
  'token.reallocate': [
    [29, 5, 0],
    [5, 0, 6, 7],
  ],
  'token.create-native-mint': [[31], [0, 5, 6]],
};

function named<T>(table: Readonly<Record<string | number, T>>, name: string | number): T {
  const found = table[name];
  if (found === undefined) throw new Error(`tests/understands.ts has no example of ${name}`);
  return found;
}

function solanaProbes(): Probe[] {
  const { address } = US;
  const mint = base58Encode(fill(6));
  const account = associatedTokenAddress(address, mint, TOKEN_PROGRAM);
  const envelope =
    (first: number): Probe['read'] =>
    () =>
      parse(US, Uint8Array.from([first, ...hexDecode(CASES[0]!.bytes).subarray(1)]));
  return [
    caseOf('solana: a transfer, legacy message', 'legacy message or wire transaction'),
    caseOf('solana: a transfer with a priority fee, wire transaction', 'v0 message or wire transaction'),
    { construct: 'message version 1 and later', read: envelope(0x81) },
    caseOf('solana: a recipient in a lookup table', 'recipient in a lookup table, contents not stated'),
    caseOf('solana: a durable nonce', 'durable nonce instead of a recent blockhash'),
    ...[...SYSTEM_NAMES].map(([discriminator, name]) => {
      const [data, accounts] = named(SYSTEM, discriminator);
      return solanaProbe(name, SYSTEM_PROGRAM, [...u32(discriminator), ...data], accounts);
    }),
    solanaProbe(
      'system.assign, system.allocate, system.create-account on our own address',
      SYSTEM_PROGRAM,
      [...u32(1), ...key(4)],
      [0],
    ),
    ...[...TOKEN_NAMES].map(([discriminator, name]) => {
      const [data, accounts] = named(TOKEN, discriminator);
      return solanaProbe(name, TOKEN_PROGRAM, [discriminator, ...data], accounts);
    }),
    ...(['mint tokens', 'freeze account', 'account owner', 'close account'] as const).map((type, index) =>
      solanaProbe(`token.set-authority: ${type}`, TOKEN_PROGRAM, [6, index, 1, ...key(4)], [5, 0]),
    ),
    solanaProbe('token.set-authority to ourselves', TOKEN_PROGRAM, [6, 2, 1, ...US.publicKey], [5, 0]),
    solanaProbe('token.unwrap-lamports of everything', TOKEN_PROGRAM, [45, 0], [5, 6, 0]),
    ...(
      [
        ['token.close-account', [9]],
        ['token.withdraw-excess-lamports', [38]],
        ['token.unwrap-lamports of everything', [45, 0]],
      ] as const
    ).map(([name, data]) => solanaProbe(`${name}, to ourselves`, TOKEN_PROGRAM, data, [5, 0, 0])),
    solanaProbe(
      'token.transfer-checked-with-fee',
      TOKEN_2022_PROGRAM,
      [26, 1, ...u64(5), 6, ...u64(1)],
      [5, 6, 7, 0],
    ),
    solanaProbe(
      'token.transfer-checked with accounts for a transfer hook',
      TOKEN_2022_PROGRAM,
      [12, ...u64(5), 6],
      [5, 6, 7, 0, 8],
    ),
    solanaProbe(
      'token.batch, 2 levels, 64 instructions',
      TOKEN_PROGRAM,
      [255, 4, 10, 12, ...u64(5), 6],
      [5, 6, 7, 0],
    ),
    ...TOKEN_EXTENSION_NAMES.map((name) => {
      const [data, accounts] = named(EXTENSIONS, name);
      return solanaProbe(name, TOKEN_2022_PROGRAM, data, accounts);
    }),
    solanaProbe(
      'associated-token.create, create-idempotent',
      ASSOCIATED_TOKEN_PROGRAM,
      [1],
      [0, account, 0, mint, 7, TOKEN_PROGRAM],
    ),
    solanaProbe(
      'associated-token.create of an account that does not derive',
      ASSOCIATED_TOKEN_PROGRAM,
      [1],
      [0, 5, 0, mint, 7, TOKEN_PROGRAM],
    ),
    solanaProbe(
      'associated-token.recover-nested',
      ASSOCIATED_TOKEN_PROGRAM,
      [2],
      [5, mint, account, 7, 8, 0, TOKEN_PROGRAM],
    ),
    ...[...STAKE_NAMES].map(([discriminator, name]) => {
      const [data, accounts] = named(STAKE, discriminator);
      return solanaProbe(name, STAKE_PROGRAM, [...u32(discriminator), ...data], accounts);
    }),
    solanaProbe(
      'compute-budget: limit, price, heap, loaded data',
      COMPUTE_BUDGET_PROGRAM,
      [3, ...u64(5)],
      [],
    ),
    ...[...PRECOMPILES].map(([program, name]) => solanaProbe(name, program, [1, 0], [])),
    solanaProbe('memo, 1,000 bytes of UTF-8', MEMO_PROGRAMS[1]!, [0x68], []),
    solanaProbe('instruction that is not known, of a known program', SYSTEM_PROGRAM, u32(99), [0]),
    solanaProbe(
      'bytes after the arguments of an instruction',
      SYSTEM_PROGRAM,
      [...u32(2), ...u64(5), 0],
      [0, 5],
    ),
    solanaProbe('program that is not known', base58Encode(fill(77)), [1], [0]),
  ];
}

// EVM

const OWN = accountFor('Ethereum');
const OTHER = `0x${'22'.repeat(20)}`;

/** A value of each type, chosen so that the call does what its name says. */
function exampleOf(type: AbiType, name: string): AbiValue {
  switch (type.kind) {
    case 'address':
      return OTHER;
    case 'bool':
      return true;
    case 'uint':
    case 'int':
      return name === 'operation' || name === 'gasPrice' || name === 'value' ? 0n : 1n;
    case 'fixed-bytes':
      return name === 'mode' ? Uint8Array.from([1, ...fill(0, 31)]) : fill(0, type.size);
    case 'bytes':
      return name === 'executionData' ? hexDecode(`${'0'.repeat(62)}20${'0'.repeat(64)}`) : new Uint8Array(0);
    case 'string':
      return '';
    case 'tuple':
      return type.fields.map((field) => exampleOf(field.type, field.name));
    case 'array':
      return [exampleOf(type.element, name)];
  }
}

function ethereumProbe(construct: string, more: Partial<EthereumTransaction>): Probe {
  return {
    construct,
    read: () =>
      parse(
        OWN,
        encodeUnsignedTransaction({
          version: 'eip1559',
          chainId: 1n,
          nonce: 7n,
          maxPriorityFeePerGas: 1n,
          maxFeePerGas: 10n,
          gasLimit: 100_000n,
          to: hexDecode(OTHER.slice(2)),
          value: 0n,
          data: new Uint8Array(0),
          accessList: [],
          authorizationList: [],
          ...more,
        }),
      ),
  };
}

/** Operations are handed in where they are known: in the form of 0.6 or of later entry points. */
function entryPointOf(signature: string): Partial<EthereumTransaction> {
  if (!/^handle(Aggregated)?Ops/.test(signature)) return {};
  const form = signature.includes('bytes32') ? 'packed' : 'unpacked';
  const [address] = [...ENTRY_POINTS].find(([, entryPoint]) => entryPoint.form === form)!;
  return { to: hexDecode(address.slice(2)) };
}

/** Typed data of `encodeType` text, zeros everywhere. */
function typedProbe(
  construct: string,
  text: string,
  domain: object = { chainId: 1, verifyingContract: OTHER },
): Probe {
  const types = Object.fromEntries(
    [...text.matchAll(/([A-Za-z0-9]+)\(([^)]*)\)/g)].map(([, name, fields]) => [
      name!,
      fields!.split(',').map((field) => {
        const [type, fieldName] = field.split(' ') as [string, string];
        return { name: fieldName, type };
      }),
    ]),
  );
  const zero = (type: string): unknown => {
    if (type.endsWith('[]')) return [zero(type.slice(0, -2))];
    if (types[type] !== undefined) {
      return Object.fromEntries(types[type].map((field) => [field.name, zero(field.type)]));
    }
    if (type === 'address') return OTHER;
    if (type === 'bool') return true;
    if (type === 'string') return '';
    if (type === 'bytes') return '0x';
    return type.startsWith('bytes') ? `0x${'00'.repeat(Number(type.slice(5)))}` : 0;
  };
  const [primaryType] = Object.keys(types);
  return {
    construct,
    read: () =>
      hashTypedData({
        types,
        primaryType: primaryType!,
        domain: domain as Record<string, unknown>,
        message: zero(primaryType!) as Record<string, unknown>,
      }).effects,
  };
}

const DETAILS = 'PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)';
const PERMITTED = 'TokenPermissions(address token,uint256 amount)';
const AUTHORIZED =
  'address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce';
const ENTRY_POINT = { chainId: 1, verifyingContract: '0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108' };

/** What an operation can have that needs a rule, and the same operation without. */
const USER_OPERATIONS: readonly [
  construct: string,
  more: { readonly initCode?: Uint8Array; readonly paymasterAndData?: Uint8Array; readonly to?: Uint8Array },
][] = [
  ['user operation handed in', {}],
  ['user operation handed in, with a paymaster', { paymasterAndData: fill(3, 52) }],
  ['user operation handed in, with a factory', { initCode: fill(3, 20) }],
  ['user operation handed in at another entry point', { to: fill(3, 20) }],
];

function handedIn({
  initCode = new Uint8Array(0),
  paymasterAndData = new Uint8Array(0),
  to,
}: (typeof USER_OPERATIONS)[number][1]): Partial<EthereumTransaction> {
  const { signature } = KNOWN_CALLS.find(
    (each) => each.name === 'erc4337.handleOps' && each.signature.includes('bytes32'),
  )!;
  const none = new Uint8Array(0);
  const operation = [OTHER, 1n, initCode, none, fill(1), 1n, fill(1), paymasterAndData, none];
  return {
    to: hexDecode(ENTRY_POINT.verifyingContract.slice(2)),
    data: encodeCallData(signature, [[operation], OTHER]),
    ...(to === undefined ? {} : { to }),
  };
}

function ethereumProbes(): Probe[] {
  const raw = (construct: string, bytes: Uint8Array): Probe => ({ construct, read: () => parse(OWN, bytes) });
  const empty = new Uint8Array(0);
  const legacy = [Uint8Array.of(7), Uint8Array.of(9), Uint8Array.of(0x52, 0x08), fill(2, 20), empty, empty];
  const authorization = (chain: Uint8Array, delegate: Uint8Array) =>
    concatBytes(Uint8Array.of(5), encodeRlp([chain, delegate, Uint8Array.of(1)]));
  return [
    caseOf('ethereum: legacy', 'legacy transaction with a chain id (EIP-155)'),
    raw('legacy transaction without a chain id', encodeRlp(legacy)),
    caseOf('ethereum: an access list', 'access list (EIP-2930)'),
    ethereumProbe('dynamic fee (EIP-1559)', {}),
    ethereumProbe('blobs (EIP-4844)', {
      version: 'eip4844',
      blobs: { maxFeePerBlobGas: 1n, versionedHashes: [Uint8Array.from([1, ...fill(0, 31)])] },
    }),
    caseOf('ethereum: an account under foreign code', 'authorisations of accounts (EIP-7702)'),
    raw('authorisation alone', authorization(Uint8Array.of(1), fill(2, 20))),
    raw('authorisation alone that revokes', authorization(Uint8Array.of(1), fill(0, 20))),
    raw('authorisation for every chain', authorization(empty, fill(2, 20))),
    raw('other transaction types', concatBytes(Uint8Array.of(6), encodeRlp(legacy))),
    raw('transaction that is signed already', encodeRlp([...legacy, Uint8Array.of(37), fill(1), fill(1)])),
    ethereumProbe('contract creation', { to: null, data: Uint8Array.of(0x60) }),
    ethereumProbe('call that is not known', { data: hexDecode('deadbeef') }),
    ethereumProbe('call that is known, in another encoding than a compiler’s', {
      data: concatBytes(encodeCallData('transfer(address,uint256)', [OTHER, 1n]), Uint8Array.of(0)),
    }),
    ...KNOWN_CALLS.map(({ name, signature, selector, fields }) =>
      ethereumProbe(`\`${selector}\` ${name}`, {
        ...entryPointOf(signature),
        data: encodeCallData(
          signature,
          fields.map((field) => exampleOf(field.type, field.name)),
        ),
      }),
    ),
    ...USER_OPERATIONS.map(([construct, more]) => ethereumProbe(construct, handedIn(more))),
    ethereumProbe('calls 5 levels deep, or more than 64', {
      data: encodeCallData('multicall(bytes[])', [Array.from({ length: 65 }, () => empty)]),
    }),
    typedProbe(
      'typed data: Permit (EIP-2612)',
      'Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)',
    ),
    typedProbe(
      'typed data: Permit of DAI',
      'Permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed)',
    ),
    typedProbe(
      'typed data: PermitSingle (Permit2)',
      `PermitSingle(PermitDetails details,address spender,uint256 sigDeadline)${DETAILS}`,
    ),
    typedProbe(
      'typed data: PermitBatch (Permit2)',
      `PermitBatch(PermitDetails[] details,address spender,uint256 sigDeadline)${DETAILS}`,
    ),
    typedProbe(
      'typed data: PermitTransferFrom (Permit2), batch and witness too',
      `PermitTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline)${PERMITTED}`,
    ),
    typedProbe(
      'typed data: TransferWithAuthorization (ERC-3009)',
      `TransferWithAuthorization(${AUTHORIZED})`,
    ),
    typedProbe('typed data: ReceiveWithAuthorization (ERC-3009)', `ReceiveWithAuthorization(${AUTHORIZED})`),
    typedProbe(
      'typed data: SafeTx',
      'SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)',
    ),
    typedProbe(
      'typed data: PackedUserOperation (ERC-4337, entry points 0.8 and 0.9)',
      USER_OPERATION_TYPE,
      ENTRY_POINT,
    ),
    typedProbe('typed data: PackedUserOperation of another entry point', USER_OPERATION_TYPE),
    ...[...ORDER_TYPES].map(([name, text]) => typedProbe(`typed data: ${name}`, text)),
    typedProbe('typed data of any other type', 'Mail(string contents)'),
    typedProbe('typed data whose domain names no chain', 'Mail(string contents)', {
      verifyingContract: OTHER,
    }),
    {
      construct: 'typed data with a key or a type that is not part of the hash',
      read: () =>
        hashTypedData({
          types: { Mail: [{ name: 'contents', type: 'string' }] },
          primaryType: 'Mail',
          domain: { chainId: 1 },
          message: { contents: '', more: 1 },
        }).effects,
    },
  ];
}

// Bitcoin

function bitcoinProbes(): Probe[] {
  const account = accountFor('BitcoinSegwit');
  const psbtOf = (name: string) => decodePsbt(hexDecode(CASES.find((each) => each.name === name)!.bytes));
  const payment = psbtOf('bitcoin: a payment with change');
  const none = new Uint8Array(0);
  const edited = (construct: string, edit: (psbt: Psbt) => Partial<Psbt>): Probe => ({
    construct,
    read: () => parse(account, encodePsbt({ ...payment, ...edit(payment) })),
  });
  const withInput = (construct: string, type: number, value: Uint8Array): Probe =>
    edited(construct, ({ inputs }) => ({ inputs: [[...inputs[0]!, { type, keyData: none, value }]] }));
  const toScript = (construct: string, script: string): Probe =>
    edited(construct, ({ transaction, global }) => {
      const [first, ...rest] = transaction.outputs;
      const unsigned = { ...transaction, outputs: [{ ...first!, script: hexDecode(script) }, ...rest] };
      return { global: [{ ...global[0]!, value: encodeBitcoin(unsigned) }, ...global.slice(1)] };
    });
  const hash = '11'.repeat(20);
  return [
    caseOf('bitcoin: a payment with change', 'PSBT version 0, native segwit key (P2WPKH)'),
    caseOf('bitcoin: two taproot inputs', 'PSBT version 0, taproot key path'),
    caseOf('bitcoin: a joint transaction', 'inputs of others beside ours'),
    caseOf('bitcoin: a payment with change, PSBT version 2', 'PSBT version 2 (BIP-370)'),
    {
      construct: 'PSBT version 2 that its maker may still change',
      read: () => {
        const psbt = psbtOf('bitcoin: a payment with change, PSBT version 2');
        const changeable = { type: 0x06, keyData: none, value: Uint8Array.of(1) };
        const global = [...psbt.global.filter(({ type }) => type !== 0x06), changeable];
        return parse(account, encodePsbt({ ...psbt, global }));
      },
    },
    edited('PSBT of another version', ({ global }) => ({
      global: [...global, { type: 0xfb, keyData: none, value: Uint8Array.of(1, 0, 0, 0) }],
    })),
    toScript('output: P2PKH', `76a914${hash}88ac`),
    toScript('output: P2SH', `a914${hash}87`),
    toScript('output: P2WPKH', `0014${hash}`),
    toScript('output: P2WSH', `0020${'11'.repeat(32)}`),
    toScript('output: P2TR', `5120${'11'.repeat(32)}`),
    toScript('output: data (OP_RETURN)', '6a0401020304'),
    toScript('output: later witness versions', `5220${'11'.repeat(32)}`),
    toScript('output: any other script', '51'),
    withInput('hash type ALL', INPUT.SIGHASH_TYPE, Uint8Array.of(1, 0, 0, 0)),
    withInput('hash types NONE, SINGLE, ANYONECANPAY', INPUT.SIGHASH_TYPE, Uint8Array.of(0x83, 0, 0, 0)),
    edited('segwit input without its previous transaction', ({ inputs }) => ({
      inputs: [inputs[0]!.filter(({ type }) => type !== INPUT.NON_WITNESS_UTXO)],
    })),
    withInput(
      'script or witness script of our input',
      INPUT.WITNESS_SCRIPT,
      ownScript(account.publicKey, 'BitcoinSegwit'),
    ),
    withInput('signature of our input that is there already', INPUT.FINAL_SCRIPTWITNESS, Uint8Array.of(0)),
    withInput('record of our input that is not known', 0x7f, none),
    edited('global record that is not known', ({ global }) => ({
      global: [...global, { type: 0x7f, keyData: none, value: none }],
    })),
  ];
}

// Sui

function suiProbes(): Probe[] {
  const account = accountFor('Sui');
  const sender = hexDecode(account.address.slice(2));
  const reference = (byte: number) => ({ id: fill(byte), version: 7n, digest: fill(0) });
  const input = (index: number): Argument => ({ kind: 'input', index });
  const gas: Argument = { kind: 'gas' };
  const result: Argument = { kind: 'result', index: 0 };
  // Inputs: an amount, an address, an object of ours, another one, a shared object.
  const probe = (construct: string, ...commands: Command[]): Probe => ({
    construct,
    read: () =>
      parse(
        account,
        encodeSui({
          inputs: [
            { kind: 'pure', bytes: fill(1, 8) },
            { kind: 'pure', bytes: fill(2) },
            { kind: 'owned', reference: reference(3) },
            { kind: 'owned', reference: reference(4) },
            { kind: 'shared', id: fill(5), version: 1n, mutable: true },
          ],
          commands,
          sender,
          gas: { payment: [reference(6)], owner: sender, price: 1n, budget: 1n },
          expirationEpoch: null,
        }),
      ),
  });
  const coin: TypeTag = { kind: 'struct', address: fill(7), module: 'usdc', name: 'USDC', parameters: [] };
  const split: Command = { kind: 'split-coins', coin: gas, amounts: [input(0)] };
  const call = (target: string, typeArguments: number, args: readonly Argument[]): Command => {
    const [address, module, name] = target.split('::') as [string, string, string];
    return {
      kind: 'move-call',
      package: hexDecode(address.slice(2)),
      module,
      function: name,
      typeArguments: Array.from({ length: typeArguments }, () => coin),
      arguments: args,
    };
  };
  const argumentFor = (target: string, position: number): Argument => {
    const { meaning, coins } = MOVE_FUNCTIONS.get(target)!;
    if ('amount' in meaning && meaning.amount === position) return input(0);
    if ('to' in meaning && meaning.to === position) return input(1);
    if ('validator' in meaning && meaning.validator === position) return input(1);
    if (target.endsWith('divide_and_keep') && position === 1) return input(0);
    // What is transferred, staked or joined was split off before, so that its amount is in the bytes.
    if ('object' in meaning && meaning.object === position) return result;
    if (meaning.kind === 'stake' && meaning.coin === position) return result;
    return coins.includes(position) ? input(2 + position) : input(4);
  };
  const bytes = hexDecode(CASES.find((each) => each.name === 'sui: a transfer')!.bytes);
  return [
    caseOf('sui: a transfer', 'programmable transaction, TransactionData version 1'),
    {
      construct: 'TransactionData of later versions',
      read: () => parse(account, Uint8Array.from([1, ...bytes.subarray(1)])),
    },
    {
      construct: 'other kinds of transactions',
      read: () => parse(account, Uint8Array.from([0, 1, ...bytes.subarray(2)])),
    },
    probe('SplitCoins, TransferObjects of what was split from gas', split, {
      kind: 'transfer-objects',
      objects: [result],
      address: input(1),
    }),
    probe('TransferObjects of the gas coin', { kind: 'transfer-objects', objects: [gas], address: input(1) }),
    probe('TransferObjects of an object whose type is not stated', {
      kind: 'transfer-objects',
      objects: [input(2)],
      address: input(1),
    }),
    probe('MergeCoins', { kind: 'merge-coins', destination: input(2), sources: [input(3)] }),
    probe('MakeMoveVec', { kind: 'make-move-vector', type: null, elements: [input(2)] }),
    probe('Publish', { kind: 'publish', modules: [], dependencies: [] }),
    probe('Upgrade', { kind: 'upgrade', modules: [], dependencies: [], package: fill(7), ticket: input(2) }),
    probe('MoveCall that is not known', call(`0x${'07'.repeat(32)}::pool::swap`, 0, [input(2)])),
    ...[...MOVE_FUNCTIONS].map(([target, { name, typeArguments, arguments: count }]) =>
      probe(
        `MoveCall ${target.replace(/^0x0+/, '0x')} (${name})`,
        split,
        call(
          target,
          typeArguments,
          Array.from({ length: count }, (_, position) => argumentFor(target, position)),
        ),
      ),
    ),
  ];
}

const PROBES: Readonly<Record<ChainName, () => Probe[]>> = {
  solana: solanaProbes,
  ethereum: ethereumProbes,
  bitcoin: bitcoinProbes,
  sui: suiProbes,
};

/** Every construct of a chain's table. */
export function probesOf(chain: ChainName): readonly Probe[] {
  return PROBES[chain]();
}

export function rowsOf(chain: ChainName): Row[] {
  return probesOf(chain).map((probe) => ({ construct: probe.construct, verdict: verdictOf(probe) }));
}

const begin = (chain: ChainName): string => `<!-- ${chain}: node tests/understands.ts --write -->`;
const end = (chain: ChainName): string => `<!-- /${chain} -->`;

/** The page with the tables of today. Throws when it has no place for one. */
export function withTables(page: string): string {
  let result = page;
  for (const chain of Object.keys(PROBES) as ChainName[]) {
    const from = result.indexOf(begin(chain));
    const to = result.indexOf(end(chain));
    if (from < 0 || to < from) throw new Error(`docs/understands.md has no place for the table of ${chain}`);
    const cell = (text: string): string => text.replaceAll('|', '\\|');
    const table = [
      begin(chain),
      '| construct | what becomes of it |',
      '| --- | --- |',
      ...rowsOf(chain).map(({ construct, verdict }) => `| ${cell(construct)} | ${verdict} |`),
      '',
    ].join('\n');
    result = result.slice(0, from) + table + result.slice(to);
  }
  return result;
}

if (process.argv[1] === import.meta.filename) {
  const page = withTables(readFileSync(PAGE, 'utf8'));
  if (process.argv.includes('--write')) writeFileSync(PAGE, page);
  else process.stdout.write(page);
}
