import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { ecdsaSign, publicKey } from '@keystead/crypto/secp256k1';
import { Transaction as EthersTransaction } from 'ethers';
import fc from 'fast-check';
import {
  type Hex,
  keccak256,
  parseTransaction as viemParse,
  recoverTransactionAddress,
  serializeTransaction,
  type TransactionSerializable,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { RawSignature, SigningAccount } from '../chain.ts';
import { dataFeeMargin } from './chain-parameters.ts';
import { address } from './address.ts';
import { buildTransaction1559, parseTransaction } from './parse.ts';
import { decodeRlp, encodeRlp, type RlpItem } from './rlp.ts';

const key = new Uint8Array(32).fill(0x42);
const account: SigningAccount = {
  publicKey: publicKey(key),
  addressFormat: 'Ethereum',
  address: address(publicKey(key), 'Ethereum'),
  derivationPath: null,
};
const TO = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
const viemAccount = privateKeyToAccount(`0x${'07'.repeat(32)}`);

function sign(digest: Uint8Array): RawSignature {
  const signature = ecdsaSign(key, digest);
  return { bytes: signature.bytes, recovery: signature.recovery as 0 | 1 };
}

const bytesOf = (hex: string): Uint8Array => hexDecode(hex.slice(2));

const bits = (count: number): fc.Arbitrary<bigint> =>
  fc.oneof(fc.bigInt({ min: 0n, max: 2n ** BigInt(count) - 1n }), fc.bigInt({ min: 0n, max: 300n }));
const hexOf = (minLength: number, maxLength = minLength): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => `0x${hexEncode(bytes)}` as Hex);
const addressHex = hexOf(20);
const common = {
  chainId: fc.integer({ min: 1, max: 2 ** 31 }),
  nonce: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  gas: fc.bigInt({ min: 21_000n, max: 2n ** 40n }),
  value: bits(200),
  // Unknown selectors only: known calls are checked for their arguments elsewhere.
  data: fc.oneof(
    fc.constant<Hex>('0x'),
    hexOf(1, 300).map((hex) => `0xffffffff${hex.slice(2)}` as Hex),
  ),
};
const accessList = fc.array(
  fc.record({ address: addressHex, storageKeys: fc.array(hexOf(32), { maxLength: 3 }) }),
  {
    maxLength: 3,
  },
);
const fees = fc.tuple(bits(150), bits(150)).map(([left, right]) => ({
  maxFeePerGas: left > right ? left : right,
  maxPriorityFeePerGas: left > right ? right : left,
}));
const destination = fc.option(addressHex, { nil: null });
const legacy = fc
  .record({ ...common, to: destination, gasPrice: bits(150) })
  .map((fields) => ({ type: 'legacy' as const, ...fields }));
const eip2930 = fc
  .record({ ...common, to: destination, gasPrice: bits(150), accessList })
  .map((fields) => ({ type: 'eip2930' as const, ...fields }));
const eip1559 = fc
  .tuple(fc.record({ ...common, to: destination, accessList }), fees)
  .map(([fields, fee]) => ({ type: 'eip1559' as const, ...fields, ...fee }));

/** A handful of real authorisations: signing one per generated case would dominate the test. */
const authorizations = await Promise.all(
  [0, 1, 2, 3].map((index) =>
    viemAccount.signAuthorization({
      chainId: 100,
      nonce: index * 300,
      address: `0x${String(index).repeat(40)}` as Hex,
    }),
  ),
);
const eip7702 = fc
  .tuple(
    fc.record({ ...common, chainId: fc.constant(100), to: addressHex, accessList }),
    fees,
    fc.subarray(authorizations, { minLength: 1 }),
  )
  .map(([fields, fee, authorizationList]) => ({
    type: 'eip7702' as const,
    ...fields,
    ...fee,
    authorizationList,
  }));

for (const [name, arbitrary] of Object.entries({ legacy, eip2930, eip1559, eip7702 })) {
  test(`parses ${name} transactions that viem and ethers serialise, and signs what both accept`, async () => {
    await fc.assert(
      fc.asyncProperty(arbitrary as fc.Arbitrary<TransactionSerializable>, async (fields) => {
        const unsigned = serializeTransaction(fields);
        assert.equal(EthersTransaction.from(unsigned).unsignedSerialized, unsigned);
        const parsed = parseTransaction(bytesOf(unsigned), account);
        assert.equal(hexEncode(parsed.signingInputs[0]!.bytes), keccak256(unsigned).slice(2));
        assert.equal(parsed.effects.version, name);
        assert.equal(parsed.effects.network, `eip155:${fields.chainId}`);
        assert.equal(parsed.effects.validity.key, String(fields.nonce));
        const gas = fields.gas! * (fields.maxFeePerGas ?? fields.gasPrice!);
        const margin = dataFeeMargin(BigInt(fields.chainId!), bytesOf(unsigned).length);
        assert.equal(parsed.effects.maxFee!.amount, gas + margin);
        const sent = parsed.effects.outflows.reduce(
          (total, outflow) => total + (outflow.amount as bigint),
          0n,
        );
        assert.equal(sent, fields.value);
        const signature = sign(parsed.signingInputs[0]!.bytes);
        const { transaction, id, signature: wire } = parsed.assemble([signature]);
        const signed = `0x${hexEncode(transaction)}` as Hex;
        const [r, s] = [
          `0x${hexEncode(signature.bytes.subarray(0, 32))}`,
          `0x${hexEncode(signature.bytes.subarray(32))}`,
        ] as Hex[];
        assert.equal(
          signed,
          serializeTransaction(fields, {
            r: r!,
            s: s!,
            yParity: signature.recovery!,
            v: BigInt(27 + signature.recovery!),
          }),
        );
        const ethers = EthersTransaction.from(signed);
        assert.equal(ethers.from, account.address);
        assert.equal(ethers.hash, id());
        assert.equal(wire.length, 65);
        assert.equal(wire[64], 27 + signature.recovery!);
        assert.equal(viemParse(signed).nonce ?? 0, fields.nonce);
      }),
      { numRuns: 300 },
    );
  });
}

test('viem recovers the account from the signed envelope', async () => {
  for (const arbitrary of [legacy, eip2930, eip1559, eip7702]) {
    for (const fields of fc.sample(arbitrary as fc.Arbitrary<TransactionSerializable>, {
      numRuns: 10,
      seed: 7,
    })) {
      const parsed = parseTransaction(bytesOf(serializeTransaction(fields)), account);
      const { transaction } = parsed.assemble([sign(parsed.signingInputs[0]!.bytes)]);
      const serializedTransaction = `0x${hexEncode(transaction)}` as Parameters<
        typeof recoverTransactionAddress
      >[0]['serializedTransaction'];
      assert.equal(await recoverTransactionAddress({ serializedTransaction }), account.address);
    }
  }
});

interface Eip155Vector {
  readonly rlp: string;
  readonly hash: string;
  readonly transaction: { readonly v: string; readonly r: string; readonly s: string };
}

test('rebuilds the signed transactions of the EIP-155 vectors from their unsigned form', () => {
  const vectors: readonly Eip155Vector[] = JSON.parse(
    readFileSync(new URL('../../../../vectors/eip155.json', import.meta.url), 'utf8'),
  );
  assert.equal(vectors.length, 11);
  let rebuilt = 0;
  for (const { rlp, hash, transaction } of vectors) {
    const fields = decodeRlp(bytesOf(rlp)) as readonly RlpItem[];
    const v = BigInt(transaction.v);
    if (v === 27n || v === 28n) {
      assert.throws(() => parseTransaction(encodeRlp(fields.slice(0, 6)), account), {
        code: 'transaction-unsafe',
      });
      continue;
    }
    const chainId = (v - 35n) / 2n;
    const unsigned = encodeRlp([
      ...fields.slice(0, 6),
      Uint8Array.of(Number(chainId)),
      new Uint8Array(0),
      new Uint8Array(0),
    ]);
    const word = (text: string): Uint8Array => hexDecode(text.slice(2).padStart(64, '0'));
    const parsed = parseTransaction(unsigned, account);
    const bytes = new Uint8Array([...word(transaction.r), ...word(transaction.s)]);
    const { transaction: signed, id } = parsed.assemble([
      { bytes, recovery: Number((v - 35n) % 2n) as 0 | 1 },
    ]);
    assert.equal(`0x${hexEncode(signed)}`, rlp);
    assert.equal(hexEncode(parsed.signingInputs[0]!.bytes), hash);
    assert.ok(id()!.startsWith('0x'));
    rebuilt += 1;
  }
  assert.ok(rebuilt >= 10, String(rebuilt));
});

const base: TransactionSerializable = {
  type: 'eip1559',
  chainId: 1,
  nonce: 1,
  gas: 21_000n,
  maxFeePerGas: 10n,
  maxPriorityFeePerGas: 2n,
  to: TO,
  value: 5n,
};

function refuses(bytes: Uint8Array, code: string, field?: string): void {
  const expected = field === undefined ? { name: 'ChainError', code } : { name: 'ChainError', code, field };
  assert.throws(() => parseTransaction(bytes, account), expected);
}

test('E4: refuses transactions that are valid on every chain', () => {
  refuses(
    bytesOf(serializeTransaction({ type: 'legacy', nonce: 0, gas: 21_000n, gasPrice: 1n, to: TO })),
    'transaction-unsafe',
    'chainId',
  );
  const fields = decodeRlp(bytesOf(serializeTransaction(base)).subarray(1)) as readonly RlpItem[];
  refuses(typed(2, [new Uint8Array(0), ...fields.slice(1)]), 'transaction-unsafe', 'chainId');
});

test('refuses unknown types', () => {
  const fields = decodeRlp(bytesOf(serializeTransaction(base)).subarray(1)) as readonly RlpItem[];
  for (const type of [0x00, 0x06, 0x7e, 0x7f])
    refuses(typed(type, fields), 'transaction-version-unsupported');
  for (const type of [0x80, 0xbf]) refuses(typed(type, fields), 'transaction-malformed');
  refuses(new Uint8Array(0), 'transaction-malformed');
});

test('counts the blob gas of a blob transaction, and refuses one without blobs or with blobs of another kind', () => {
  const fields = decodeRlp(bytesOf(serializeTransaction(base)).subarray(1)) as readonly RlpItem[];
  const hash = Uint8Array.from([1, ...new Uint8Array(31)]);
  const blobs = (list: readonly RlpItem[]) => typed(3, [...fields, Uint8Array.of(7), list]);
  const parsed = parseTransaction(blobs([hash, hash]), account);
  assert.equal(parsed.effects.version, 'eip4844');
  assert.equal(parsed.effects.maxFee?.amount, 210_000n + 2n * 131_072n * 7n);
  const signature = { bytes: new Uint8Array(64).fill(1), recovery: 0 } as const;
  assert.equal(parsed.assemble([signature]).transaction[0], 3);
  refuses(blobs([]), 'transaction-malformed', 'blobVersionedHashes');
  refuses(blobs(Array.from({ length: 7 }, () => hash)), 'transaction-malformed', 'blobVersionedHashes');
  refuses(blobs([new Uint8Array(32)]), 'transaction-malformed', 'blobVersionedHashes');
  refuses(blobs([new Uint8Array(31)]), 'transaction-malformed', 'blobVersionedHashes');
  refuses(typed(3, fields), 'transaction-malformed');
});

test('adds a margin for the data fee where no field bounds it', () => {
  const fee = (chainId: number) =>
    parseTransaction(bytesOf(serializeTransaction({ ...base, chainId } as TransactionSerializable)), account)
      .effects.maxFee!.amount;
  assert.equal(fee(1), 210_000n);
  // Base, Scroll, and one that nobody has looked at.
  for (const chainId of [8453, 534352, 987_654_321])
    assert.ok(fee(chainId) > 210_000n + 100n * 200_000_000_000n, String(chainId));
});

test('refuses a transaction that carries a signature, also an empty one in a typed envelope', async () => {
  for (const fields of [
    base,
    { type: 'legacy', chainId: 1, nonce: 0, gas: 21_000n, gasPrice: 1n, to: TO },
  ] as const) {
    refuses(
      bytesOf(await viemAccount.signTransaction(fields as TransactionSerializable)),
      'transaction-already-signed',
    );
  }
  const fields = decodeRlp(bytesOf(serializeTransaction(base)).subarray(1)) as readonly RlpItem[];
  const empty = new Uint8Array(0);
  refuses(typed(2, [...fields, empty, empty, empty]), 'transaction-already-signed');
});

test('E1: refuses encodings that other decoders accept', () => {
  const bytes = bytesOf(serializeTransaction(base));
  const fields = decodeRlp(bytes.subarray(1)) as readonly RlpItem[];
  refuses(new Uint8Array([...bytes, 0]), 'transaction-malformed');
  for (const index of [0, 1, 2, 3, 4, 6]) {
    const padded = new Uint8Array([0, ...(fields[index] as Uint8Array)]);
    refuses(typed(2, fields.with(index, padded)), 'transaction-malformed');
    // Zero as a byte instead of the empty string.
    refuses(typed(2, fields.with(index, Uint8Array.of(0))), 'transaction-malformed');
  }
  refuses(typed(2, fields.with(5, new Uint8Array(19))), 'transaction-malformed', 'to');
  refuses(typed(2, fields.with(5, new Uint8Array(32))), 'transaction-malformed', 'to');
  refuses(typed(2, fields.with(7, [])), 'transaction-malformed', 'data');
  refuses(typed(2, fields.with(8, new Uint8Array(0))), 'transaction-malformed', 'accessList');
  refuses(typed(2, fields.with(8, [[new Uint8Array(20)]])), 'transaction-malformed');
  refuses(typed(2, fields.with(8, [[new Uint8Array(20), [new Uint8Array(31)]]])), 'transaction-malformed');
  refuses(typed(2, fields.slice(0, -1)), 'transaction-malformed');
  refuses(typed(2, [...fields, new Uint8Array(0)]), 'transaction-malformed');
  const long = encodeRlp(fields);
  assert.ok(long.length < 57);
  refuses(new Uint8Array([2, 0xf8, long.length - 1, ...long.subarray(1)]), 'transaction-malformed');
});

test('refuses fields out of range and accepts their bounds', () => {
  const fields = decodeRlp(bytesOf(serializeTransaction(base)).subarray(1)) as readonly RlpItem[];
  const integer = (value: bigint): Uint8Array =>
    hexDecode(value.toString(16).padStart(2 * Math.ceil(value.toString(16).length / 2), '0'));
  const withField = (index: number, value: bigint): Uint8Array =>
    typed(2, fields.with(index, integer(value)));
  refuses(withField(0, 2n ** 53n), 'transaction-malformed', 'chainId');
  parseTransaction(withField(0, 2n ** 53n - 1n), account);
  refuses(withField(1, 2n ** 64n - 1n), 'transaction-malformed', 'nonce');
  parseTransaction(withField(1, 2n ** 64n - 2n), account);
  refuses(withField(2, 11n), 'transaction-malformed', 'maxPriorityFeePerGas');
  parseTransaction(withField(2, 10n), account);
  refuses(withField(4, 20_999n), 'transaction-malformed', 'gasLimit');
  refuses(withField(4, 2n ** 63n + 1n), 'transaction-malformed', 'gasLimit');
  parseTransaction(withField(4, 2n ** 63n), account);
  refuses(withField(6, 2n ** 256n), 'transaction-malformed', 'value');
  refuses(withField(6, 2n ** 256n - 1n), 'transaction-malformed', 'gasLimit');
});

test('refuses an account whose address is not that of its key', () => {
  const bytes = bytesOf(serializeTransaction(base));
  assert.throws(() => parseTransaction(bytes, { ...account, address: TO }), { code: 'transaction-not-ours' });
});

test('shows a native transfer as one outflow with the whole fee beside it', () => {
  const { effects } = parseTransaction(bytesOf(serializeTransaction(base)), account);
  assert.deepEqual(effects, {
    chain: 'ethereum',
    network: 'eip155:1',
    version: 'eip1559',
    signers: [account.address],
    feePayer: account.address,
    maxFee: { asset: 'eip155:1/slip44:60', amount: 210_000n },
    outflows: [{ asset: 'eip155:1/slip44:60', amount: 5n, from: account.address, to: TO, kind: 'transfer' }],
    grants: [],
    takeovers: [],
    validity: { uniqueness: 'nonce', key: '1', notBefore: null, notAfter: null },
    unresolved: [],
    calls: [],
  });
});

test('reports contract creation as unresolved', () => {
  const { effects } = parseTransaction(
    bytesOf(serializeTransaction({ ...base, to: null, data: '0x6000' })),
    account,
  );
  assert.equal(effects.unresolved[0]?.kind, 'contract-creation');
  assert.deepEqual(
    effects.outflows.map(({ to, kind, amount }) => ({ to, kind, amount })),
    [{ to: null, kind: 'call-value', amount: 5n }],
  );
});

test('reports a delegation as a takeover of the account that signed it, and a revocation as none', async () => {
  const delegate = await viemAccount.signAuthorization({ chainId: 1, nonce: 4, address: TO });
  const revoke = await viemAccount.signAuthorization({
    chainId: 1,
    nonce: 5,
    address: `0x${'0'.repeat(40)}`,
  });
  const { effects } = parseTransaction(
    bytesOf(
      serializeTransaction({
        ...base,
        type: 'eip7702',
        authorizationList: [delegate, revoke],
      } as TransactionSerializable),
    ),
    account,
  );
  assert.deepEqual(effects.takeovers, [{ kind: 'eip7702-delegation', account: viemAccount.address, by: TO }]);
  assert.deepEqual(
    effects.calls.map((call) => call.name),
    ['eip7702.delegate', 'eip7702.revoke'],
  );
});

test('an authorisation that is signed alone is a takeover, its revocation none, and neither is for every chain', async () => {
  const preimage = (chainId: number, to: `0x${string}`, nonce = 4) =>
    new Uint8Array([
      5,
      ...encodeRlp([
        chainId === 0 ? new Uint8Array(0) : Uint8Array.of(chainId),
        hexDecode(to.slice(2)),
        Uint8Array.of(nonce),
      ]),
    ]);
  const parsed = parseTransaction(preimage(1, TO), account);
  assert.deepEqual(parsed.effects.takeovers, [
    { kind: 'eip7702-delegation', account: account.address, by: TO },
  ]);
  assert.equal(parsed.effects.version, 'eip7702-authorization');
  assert.deepEqual(parseTransaction(preimage(1, `0x${'0'.repeat(40)}`), account).effects.takeovers, []);
  refuses(preimage(0, TO), 'transaction-unsafe', 'chainId');
  refuses(new Uint8Array([...preimage(1, TO), 0]), 'transaction-malformed');
  refuses(typed(5, [Uint8Array.of(1), new Uint8Array(20).fill(1)]), 'transaction-malformed');
  refuses(
    typed(5, [Uint8Array.of(1), new Uint8Array(19).fill(1), Uint8Array.of(1)]),
    'transaction-malformed',
  );
  const signed = await viemAccount.signAuthorization({ chainId: 1, nonce: 4, address: TO });
  const bytes = (hex: string) => hexDecode(hex.slice(2));
  const { transaction } = parsed.assemble([
    {
      bytes: new Uint8Array([...bytes(signed.r), ...bytes(signed.s)]),
      recovery: signed.yParity as 0 | 1,
    },
  ]);
  const integer = (hex: string) => {
    const all = bytes(hex);
    return all.subarray(all.findIndex((byte) => byte !== 0));
  };
  const parity = signed.yParity === 0 ? new Uint8Array(0) : Uint8Array.of(1);
  const tuple = [Uint8Array.of(1), hexDecode(TO.slice(2)), Uint8Array.of(4), parity];
  assert.deepEqual(transaction, encodeRlp([...tuple, integer(signed.r), integer(signed.s)]));
});

test('refuses authorisations for every chain or another chain, and an empty list', async () => {
  const everywhere = await viemAccount.signAuthorization({ chainId: 0, nonce: 4, address: TO });
  const elsewhere = await viemAccount.signAuthorization({ chainId: 2, nonce: 4, address: TO });
  for (const authorization of [everywhere, elsewhere]) {
    const fields = {
      ...base,
      type: 'eip7702',
      authorizationList: [authorization],
    } as TransactionSerializable;
    refuses(bytesOf(serializeTransaction(fields)), 'transaction-unsafe', 'authorizationList[0].chainId');
  }
  const fields = decodeRlp(bytesOf(serializeTransaction(base)).subarray(1)) as readonly RlpItem[];
  refuses(typed(4, [...fields, []]), 'transaction-malformed', 'authorizationList');
});

test('builds the EIP-1559 wire form into the bytes that viem serialises', () => {
  const json = {
    kind: 'EIP_1559',
    chainId: 1,
    nonce: '1',
    maxFeePerGas: '0xa',
    maxPriorityFeePerGas: 2,
    gasLimit: '21000',
    to: TO,
    value: '5',
  } as const;
  assert.equal(`0x${hexEncode(buildTransaction1559(json))}`, serializeTransaction(base));
  assert.equal(
    `0x${hexEncode(buildTransaction1559({ ...json, data: '0xdeadBEEF' }))}`,
    serializeTransaction({ ...base, data: '0xdeadbeef' }),
  );
  const wrong: readonly Record<string, unknown>[] = [
    { kind: 'EIP_2930' },
    { chainId: 0 },
    { chainId: 1.5 },
    { chainId: '01' },
    { nonce: -1 },
    { nonce: '1e3' },
    { nonce: 2 ** 53 },
    { value: ' 5' },
    { value: '0x' },
    { value: '0x05' },
    { value: null },
    { value: String(2n ** 256n) },
    { gasLimit: '20999' },
    { to: undefined },
    { to: TO.toLowerCase().replace('5aaeb', '5aAeb') },
    { data: '0x123' },
    { data: 'dead' },
    { accessList: [] },
    { maxPriorityFeePerGas: 11 },
  ];
  for (const change of wrong) {
    const fields = { ...json, ...change } as unknown as Parameters<typeof buildTransaction1559>[0];
    assert.throws(() => buildTransaction1559(fields), { name: 'ChainError' }, JSON.stringify(change));
  }
});

function typed(type: number, fields: readonly RlpItem[]): Uint8Array {
  return new Uint8Array([type, ...encodeRlp(fields)]);
}
