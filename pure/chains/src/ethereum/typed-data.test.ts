import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexEncode } from '@keystead/crypto/hex';
import { TypedDataEncoder } from 'ethers';
import fc from 'fast-check';
import { hashTypedData as viemHash } from 'viem';
import { ChainError } from '../error.ts';
import { checksumAddress } from './address.ts';
import { hashTypedData, type TypedData, type TypedDataField } from './typed-data.ts';

const CONTRACT = '0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC';
const OWNER = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359';
const SPENDER = '0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB';
const TOKEN = '0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb';
const MAX = 2n ** 256n - 1n;

/** The example of EIP-712. */
const mail: TypedData = {
  types: {
    Person: [
      { name: 'name', type: 'string' },
      { name: 'wallet', type: 'address' },
    ],
    Mail: [
      { name: 'from', type: 'Person' },
      { name: 'to', type: 'Person' },
      { name: 'contents', type: 'string' },
    ],
  },
  primaryType: 'Mail',
  domain: { name: 'Ether Mail', version: '1', chainId: 1, verifyingContract: CONTRACT },
  message: {
    from: { name: 'Cow', wallet: '0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826' },
    to: { name: 'Bob', wallet: '0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB' },
    contents: 'Hello, Bob!',
  },
};
const domainType: readonly TypedDataField[] = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' },
];

test('gives the digest of the EIP-712 example, with and without its domain type', () => {
  const expected = 'be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2';
  for (const types of [mail.types, { EIP712Domain: domainType, ...mail.types }]) {
    for (const chainId of [1, '1', 1n, '0x1']) {
      const { digest, domainSeparator } = hashTypedData({
        ...mail,
        types,
        domain: { ...mail.domain, chainId },
      });
      assert.equal(hexEncode(digest), expected);
      assert.equal(
        hexEncode(domainSeparator),
        'f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f',
      );
    }
  }
});

const atomic = fc.oneof(
  fc.constant({ type: 'string', value: fc.string({ unit: 'grapheme', maxLength: 40 }) }),
  fc.constant({
    type: 'bytes',
    value: fc.uint8Array({ maxLength: 70 }).map((bytes) => `0x${hexEncode(bytes)}`),
  }),
  fc.constant({ type: 'bool', value: fc.boolean() }),
  fc.constant({
    type: 'address',
    value: fc.uint8Array({ minLength: 20, maxLength: 20 }).map(checksumAddress),
  }),
  fc.integer({ min: 1, max: 32 }).map((length) => ({
    type: `bytes${length}`,
    value: fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => `0x${hexEncode(bytes)}`),
  })),
  fc.integer({ min: 1, max: 32 }).map((bytes) => ({
    type: `uint${8 * bytes}`,
    value: fc.bigInt({ min: 0n, max: 2n ** BigInt(8 * bytes) - 1n }).map(String),
  })),
  fc.integer({ min: 1, max: 32 }).map((bytes) => ({
    type: `int${8 * bytes}`,
    value: fc
      .bigInt({ min: -(2n ** BigInt(8 * bytes - 1)), max: 2n ** BigInt(8 * bytes - 1) - 1n })
      .map(String),
  })),
);

interface Generated {
  readonly type: string;
  readonly value: fc.Arbitrary<unknown>;
}

const arrayOf = (inner: Generated): fc.Arbitrary<Generated> =>
  fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }).map((length) => ({
    type: `${inner.type}[${length ?? ''}]`,
    value: fc.array(
      inner.value,
      length === undefined ? { maxLength: 3 } : { minLength: length, maxLength: length },
    ),
  }));
const member: fc.Arbitrary<Generated> = fc.oneof(
  atomic,
  atomic.chain(arrayOf),
  atomic.chain(arrayOf).chain(arrayOf),
);

/** A chain of structs: each may use the one before it, alone or in a list. */
const generated: fc.Arbitrary<TypedData> = fc
  .array(fc.array(member, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 })
  .chain((structs) => {
    const types: Record<string, TypedDataField[]> = {};
    let previous: Generated | undefined;
    for (const [index, members] of structs.entries()) {
      const name = `Type${'CABD'[index]}`;
      const linked: Generated[] =
        previous === undefined
          ? []
          : [previous, { type: `${previous.type}[]`, value: fc.array(previous.value, { maxLength: 2 }) }];
      const all = [...members, ...linked];
      types[name] = all.map((field, position) => ({ name: `field${position}`, type: field.type }));
      previous = {
        type: name,
        value: fc.record(Object.fromEntries(all.map((field, position) => [`field${position}`, field.value]))),
      };
    }
    const domain = fc.record(
      {
        name: fc.string(),
        // viem leaves an empty version out of a domain type that it derives; ethers and EIP-712 keep it.
        version: fc.string({ minLength: 1 }),
        chainId: fc.integer({ min: 1 }),
        verifyingContract: fc.constant(CONTRACT),
        salt: fc.constant(`0x${'5a'.repeat(32)}`),
      },
      { requiredKeys: ['chainId'] },
    );
    return fc.record({
      types: fc.constant(types),
      primaryType: fc.constant(previous!.type),
      domain,
      message: previous!.value as fc.Arbitrary<Record<string, unknown>>,
    });
  });

test('agrees with ethers and viem on generated typed data', () => {
  fc.assert(
    fc.property(generated, (typedData) => {
      const { digest, domainSeparator } = hashTypedData(typedData);
      const types = typedData.types as Record<string, TypedDataField[]>;
      assert.equal(
        `0x${hexEncode(digest)}`,
        TypedDataEncoder.hash(typedData.domain, types, typedData.message),
      );
      assert.equal(`0x${hexEncode(domainSeparator)}`, TypedDataEncoder.hashDomain(typedData.domain));
      assert.equal(`0x${hexEncode(digest)}`, viemHash(typedData as Parameters<typeof viemHash>[0]));
    }),
    { numRuns: 300 },
  );
});

function refuses(change: Partial<Record<keyof TypedData, unknown>>, field?: string): void {
  const expected =
    field === undefined ? { code: 'typed-data-malformed' } : { code: 'typed-data-malformed', field };
  assert.throws(() => hashTypedData({ ...mail, ...change } as TypedData), {
    name: 'ChainError',
    ...expected,
  });
}

test('refuses everything that would not be part of the digest', () => {
  refuses({ types: { ...mail.types, Other: [{ name: 'x', type: 'bool' }] } }, 'types.Other');
  refuses({ message: { ...mail.message, extra: 1 } }, 'message.extra');
  refuses(
    { message: { ...mail.message, to: { ...(mail.message.to as object), extra: 1 } } },
    'message.to.extra',
  );
  refuses({ domain: { ...mail.domain, extra: 1 } }, 'domain.extra');
  refuses({ types: { ...mail.types, EIP712Domain: domainType.slice(0, 3) } }, 'domain.verifyingContract');
  assert.throws(() => hashTypedData({ ...mail, extra: 1 } as TypedData), {
    code: 'typed-data-malformed',
    field: 'extra',
  });
});

test('refuses a domain that is empty, incomplete, in another order or of other types', () => {
  refuses({ domain: {} }, 'domain');
  refuses({ domain: { name: 'x' }, types: { ...mail.types, EIP712Domain: domainType } }, 'domain.version');
  refuses({ types: { ...mail.types, EIP712Domain: domainType.toReversed() } });
  refuses({
    types: { ...mail.types, EIP712Domain: domainType.with(2, { name: 'chainId', type: 'string' }) },
  });
  refuses({ types: { ...mail.types, EIP712Domain: [...domainType, { name: 'salt', type: 'bytes' }] } });
  refuses({ domain: { ...mail.domain, chainId: undefined } }, 'domain.chainId');
});

test('refuses types that are undefined, circular, reserved, repeated or not canonical', () => {
  const person = mail.types.Person!;
  refuses({ primaryType: 'Nobody' }, 'primaryType');
  refuses({ primaryType: 'EIP712Domain', types: { ...mail.types, EIP712Domain: domainType } }, 'primaryType');
  refuses({ types: { Mail: mail.types.Mail } });
  refuses({ types: { ...mail.types, Person: [...person, { name: 'self', type: 'Person[]' }] } });
  refuses({ types: { ...mail.types, Person: [...person, { name: 'name', type: 'string' }] } });
  refuses({ types: { ...mail.types, Person: [...person, { name: 'a b', type: 'string' }] } });
  refuses({ types: { ...mail.types, Person: [...person, { name: 'x', type: 'string', extra: 1 }] } });
  refuses({ types: { ...mail.types, uint256: person } });
  refuses({ types: { ...mail.types, 'Per(son': person } });
  refuses({ types: { ...mail.types, Person: 'text' } });
  for (const type of [
    'uint',
    'int',
    'uint7',
    'uint264',
    'uint08',
    'bytes0',
    'bytes33',
    'bytes01',
    'function',
    'string[0]',
    'string[01]',
    'string[-1]',
    'string]',
    'EIP712Domain',
  ]) {
    refuses({ types: { ...mail.types, Person: [person[0], { name: 'wallet', type }] } });
  }
});

test('refuses values that do not fit their type', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['uint8', 256],
    ['uint8', -1],
    ['uint256', '1.0'],
    ['uint256', '01'],
    ['uint256', ''],
    ['uint256', ' 1'],
    ['uint256', '-0'],
    ['uint256', '0x'],
    ['uint256', true],
    ['uint256', null],
    ['uint256', 2 ** 53],
    ['uint256', String(MAX + 1n)],
    ['int8', 128],
    ['int8', -129],
    ['bool', 1],
    ['bool', 'true'],
    ['address', '0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD82'],
    ['address', '0xCd2a3d9F938E13CD947Ec05AbC7FE734Df8DD826'],
    ['address', 7],
    ['bytes', 'text'],
    ['bytes', '0x123'],
    ['bytes4', '0x123456'],
    ['bytes4', '0x1234567890'],
    ['string', 7],
    ['string', '\ud800'],
    ['string[]', 'text'],
    ['string[2]', ['one']],
    ['Inner', 'text'],
    ['Inner', []],
    ['Inner', null],
    ['Inner', {}],
  ];
  for (const [type, value] of cases) {
    const inner: Record<string, TypedDataField[]> =
      type === 'Inner' ? { Inner: [{ name: 'x', type: 'bool' }] } : {};
    const typedData = {
      types: { Outer: [{ name: 'v', type }], ...inner },
      primaryType: 'Outer',
      domain: mail.domain,
      message: { v: value },
    };
    assert.throws(
      () => hashTypedData(typedData),
      { code: 'typed-data-malformed' },
      `${type} ${String(value)}`,
    );
  }
});

const tokenDomain = { name: 'Token', version: '1', chainId: 10, verifyingContract: TOKEN };
const ASSET = `eip155:10/erc20:${TOKEN}`;
const fieldsOf = (text: string): TypedDataField[] =>
  text.split(',').map((part) => ({ type: part.split(' ')[0]!, name: part.split(' ')[1]! }));

test('reads permits as grants with the deadline as the end of validity', () => {
  const types = {
    Permit: fieldsOf('address owner,address spender,uint256 value,uint256 nonce,uint256 deadline'),
  };
  const message = {
    owner: OWNER,
    spender: SPENDER.toLowerCase(),
    value: '500',
    nonce: 3,
    deadline: '1900000000',
  };
  const { effects } = hashTypedData({ types, primaryType: 'Permit', domain: tokenDomain, message }, OWNER);
  assert.deepEqual(effects, {
    chain: 'ethereum',
    network: 'eip155:10',
    version: 'typed-data',
    signers: [OWNER],
    feePayer: null,
    maxFee: { asset: 'eip155:10/slip44:60', amount: 0n },
    outflows: [],
    grants: [{ kind: 'permit', spender: SPENDER, asset: ASSET, amount: 500n, expires: null }],
    takeovers: [],
    validity: { uniqueness: 'nonce', key: '3', notBefore: null, notAfter: 1_900_000_000n },
    unresolved: [],
    calls: [
      {
        target: TOKEN,
        name: 'erc2612.Permit',
        arguments: {
          owner: OWNER,
          spender: SPENDER.toLowerCase(),
          value: '500',
          nonce: '3',
          deadline: '1900000000',
        },
      },
    ],
  });
  const most = hashTypedData({
    types,
    primaryType: 'Permit',
    domain: tokenDomain,
    message: { ...message, value: String(MAX) },
  });
  assert.equal(most.effects.grants[0]?.amount, 'unbounded');
  const dai = {
    Permit: fieldsOf('address holder,address spender,uint256 nonce,uint256 expiry,bool allowed'),
  };
  const allowed = { holder: OWNER, spender: SPENDER, nonce: 0, expiry: 0, allowed: true };
  assert.equal(
    hashTypedData({ types: dai, primaryType: 'Permit', domain: tokenDomain, message: allowed }).effects
      .grants[0]?.amount,
    'unbounded',
  );
});

test('reads Permit2 messages, single, batch, transfer and with witness', () => {
  const details = fieldsOf('address token,uint160 amount,uint48 expiration,uint48 nonce');
  const detail = { token: TOKEN, amount: '7', expiration: 1000, nonce: 1 };
  const domain = { name: 'Permit2', chainId: 10, verifyingContract: CONTRACT };
  const single = hashTypedData({
    types: {
      PermitDetails: details,
      PermitSingle: fieldsOf('PermitDetails details,address spender,uint256 sigDeadline'),
    },
    primaryType: 'PermitSingle',
    domain,
    message: { details: { ...detail, expiration: 0 }, spender: SPENDER, sigDeadline: 2000 },
  }).effects;
  assert.deepEqual(single.grants, [
    { kind: 'permit', spender: SPENDER, asset: ASSET, amount: 7n, expires: 2000n },
  ]);
  const batch = hashTypedData({
    types: {
      PermitDetails: details,
      PermitBatch: fieldsOf('PermitDetails[] details,address spender,uint256 sigDeadline'),
    },
    primaryType: 'PermitBatch',
    domain,
    message: {
      details: [detail, { ...detail, amount: String(2n ** 160n - 1n) }],
      spender: SPENDER,
      sigDeadline: 2000,
    },
  }).effects;
  assert.deepEqual(
    batch.grants.map(({ amount, expires }) => [amount, expires]),
    [
      [7n, 1000n],
      ['unbounded', 1000n],
    ],
  );
  const permissions = { TokenPermissions: fieldsOf('address token,uint256 amount') };
  const fields = 'address spender,uint256 nonce,uint256 deadline';
  const message = { permitted: { token: TOKEN, amount: 9 }, spender: SPENDER, nonce: 1, deadline: 2000 };
  const transfer = hashTypedData({
    types: { ...permissions, PermitTransferFrom: fieldsOf(`TokenPermissions permitted,${fields}`) },
    primaryType: 'PermitTransferFrom',
    domain,
    message,
  }).effects;
  assert.deepEqual(transfer.grants, [
    { kind: 'permit', spender: SPENDER, asset: ASSET, amount: 9n, expires: 2000n },
  ]);
  const witness = hashTypedData({
    types: {
      ...permissions,
      PermitBatchWitnessTransferFrom: fieldsOf(`TokenPermissions[] permitted,${fields},Witness witness`),
      Witness: fieldsOf('address user'),
    },
    primaryType: 'PermitBatchWitnessTransferFrom',
    domain,
    message: { ...message, permitted: [message.permitted, message.permitted], witness: { user: OWNER } },
  }).effects;
  assert.equal(witness.grants.length, 2);
  for (const effects of [single, batch, transfer, witness]) assert.deepEqual(effects.unresolved, []);
});

test('reads ERC-3009 authorisations as outflows', () => {
  const nonce = `0x${'AB'.repeat(32)}`;
  for (const primaryType of ['TransferWithAuthorization', 'ReceiveWithAuthorization']) {
    const { effects } = hashTypedData({
      types: {
        [primaryType]: fieldsOf(
          'address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce',
        ),
      },
      primaryType,
      domain: tokenDomain,
      message: { from: OWNER, to: SPENDER, value: 5, validAfter: 1, validBefore: 9, nonce },
    });
    assert.deepEqual(effects.outflows, [
      { asset: ASSET, amount: 5n, from: OWNER, to: SPENDER, kind: 'transfer' },
    ]);
    assert.deepEqual(effects.validity, {
      uniqueness: 'nonce',
      key: nonce.toLowerCase(),
      notBefore: 1n,
      notAfter: 9n,
    });
  }
});

test('reports every type without a defined meaning as unresolved, a familiar name with other fields too', () => {
  for (const primaryType of [
    'Permit',
    'PermitTransferFrom',
    'SafeTx',
    'UserOperation',
    'PackedUserOperation',
    'OrderComponents',
    'Order',
    'Delegation',
    'SpendPermission',
    'Authorization',
    'HyperliquidTransaction:UsdSend',
    'Anything',
  ]) {
    const { effects } = hashTypedData({
      types: { [primaryType]: fieldsOf('uint256 value') },
      primaryType,
      domain: tokenDomain,
      message: { value: 1 },
    });
    assert.deepEqual(
      effects.unresolved.map(({ kind, field, subject }) => ({ kind, field, subject })),
      [
        {
          kind: 'typed-data-unknown',
          field: 'primaryType',
          subject: `${tokenDomain.verifyingContract}:${primaryType}`,
        },
      ],
    );
    assert.match(effects.unresolved[0]!.detail, /type hash 0x[0-9a-f]{64}$/);
  }
  assert.deepEqual(hashTypedData(mail).effects.calls, [
    { target: CONTRACT, name: 'Mail', arguments: { contents: 'Hello, Bob!' } },
  ]);
});

test('reports a domain that binds no chain or no contract as unresolved', () => {
  for (const [key, field] of [
    ['chainId', 'domain.chainId'],
    ['verifyingContract', 'domain.verifyingContract'],
  ] as const) {
    const { [key]: _, ...domain } = mail.domain;
    const { effects } = hashTypedData({ ...mail, domain });
    assert.deepEqual(
      effects.unresolved.map((entry) => [entry.kind, entry.field]),
      [
        ['typed-data-unbound', field],
        ['typed-data-unknown', 'primaryType'],
      ],
    );
  }
  assert.equal(hashTypedData({ ...mail, domain: { name: 'x' } }).effects.network, null);
});

test('never throws anything but a ChainError on arbitrary input', () => {
  const noise = fc.anything({ maxDepth: 2 });
  const change = fc.record(
    { types: noise, primaryType: noise, domain: noise, message: noise },
    { requiredKeys: [] },
  );
  const messageChange = fc.dictionary(fc.constantFrom('from', 'to', 'contents', '__proto__'), noise);
  fc.assert(
    fc.property(change, messageChange, fc.boolean(), (outer, inner, deep) => {
      const typedData = deep ? { ...mail, message: { ...mail.message, ...inner } } : { ...mail, ...outer };
      try {
        hashTypedData(typedData as TypedData);
      } catch (error) {
        assert.ok(error instanceof ChainError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});
