import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { getCompiledTransactionMessageDecoder, getTransactionDecoder } from '@solana/kit';
import {
  type AddressLookupTableAccount,
  ComputeBudgetProgram,
  Keypair,
  MessageV0,
  PublicKey,
  SystemProgram,
  TransactionMessage,
  VersionedMessage,
  VersionedTransaction,
} from '@solana/web3.js';
import fc from 'fast-check';
import { ChainError } from '../error.ts';
import {
  decodeEnvelope,
  decodeMessage,
  encodeMessage,
  encodeTransaction,
  looksLikeTransaction,
  type Message,
} from './message.ts';

const payer = Keypair.fromSeed(new Uint8Array(32).fill(1)).publicKey;
const other = Keypair.fromSeed(new Uint8Array(32).fill(2)).publicKey;
const BLOCKHASH = new PublicKey(new Uint8Array(32).fill(9)).toBase58();

function transfer(version: 'legacy' | 'v0', lamports = 1n): Uint8Array {
  const message = new TransactionMessage({
    payerKey: payer,
    recentBlockhash: BLOCKHASH,
    instructions: [
      ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 7 }),
      SystemProgram.transfer({ fromPubkey: payer, toPubkey: other, lamports }),
    ],
  });
  return version === 'legacy'
    ? Uint8Array.from(message.compileToLegacyMessage().serialize())
    : message.compileToV0Message().serialize();
}

function refused(bytes: Uint8Array, code = 'transaction-malformed'): void {
  assert.throws(
    () => decodeEnvelope(bytes),
    (error) => error instanceof ChainError && error.code === code,
  );
}

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const generatedMessage: fc.Arbitrary<Message> = fc
  .record({
    v0: fc.boolean(),
    keys: fc.uniqueArray(key, { minLength: 3, maxLength: 8, comparator: equalBytes }),
    signers: fc.integer({ min: 1, max: 3 }),
    readonlySigned: fc.nat(2),
    readonlyUnsigned: fc.nat(5),
    blockhash: key,
    instructions: fc.array(
      fc.record({
        program: fc.nat(),
        accounts: fc.array(fc.nat(), { maxLength: 6 }),
        data: fc.uint8Array({ maxLength: 150 }),
      }),
      { maxLength: 4 },
    ),
    lookups: fc.uniqueArray(
      fc.record({
        table: key,
        writable: fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 3 }),
        readonly: fc.uniqueArray(fc.integer({ min: 10, max: 19 }), { maxLength: 3 }),
      }),
      { maxLength: 2, comparator: (a, b) => equalBytes(a.table, b.table) },
    ),
  })
  .map((each): Message => {
    const lookups = each.v0
      ? each.lookups.map(({ table, writable, readonly }) => ({
          table,
          writableIndexes: Uint8Array.from(writable),
          readonlyIndexes: Uint8Array.from(readonly),
        }))
      : [];
    const loaded = lookups.reduce(
      (sum, lookup) => sum + lookup.writableIndexes.length + lookup.readonlyIndexes.length,
      0,
    );
    return {
      version: each.v0 ? 'v0' : 'legacy',
      header: {
        requiredSignatures: each.signers,
        readonlySigned: each.readonlySigned % each.signers,
        readonlyUnsigned: each.readonlyUnsigned % (each.keys.length - each.signers + 1),
      },
      accountKeys: each.keys,
      recentBlockhash: each.blockhash,
      instructions: each.instructions.map(({ program, accounts, data }) => ({
        programIndex: 1 + (program % (each.keys.length - 1)),
        accountIndexes: Uint8Array.from(accounts, (account) => account % (each.keys.length + loaded)),
        data,
      })),
      lookups,
    };
  });

/** The same fields as two other decoders read them. */
function agreesWithOracles(message: Message, bytes: Uint8Array): void {
  const web3 = VersionedMessage.deserialize(bytes);
  assert.equal(web3.header.numRequiredSignatures, message.header.requiredSignatures);
  assert.equal(web3.header.numReadonlySignedAccounts, message.header.readonlySigned);
  assert.equal(web3.header.numReadonlyUnsignedAccounts, message.header.readonlyUnsigned);
  assert.deepEqual(
    web3.staticAccountKeys.map((each) => [...each.toBytes()]),
    message.accountKeys.map((each) => [...each]),
  );
  assert.deepEqual(
    web3.compiledInstructions.map((each) => [
      each.programIdIndex,
      [...each.accountKeyIndexes],
      [...each.data],
    ]),
    message.instructions.map((each) => [each.programIndex, [...each.accountIndexes], [...each.data]]),
  );
  assert.deepEqual(
    web3.addressTableLookups.map((each) => [
      [...each.accountKey.toBytes()],
      [...each.writableIndexes],
      [...each.readonlyIndexes],
    ]),
    message.lookups.map((each) => [[...each.table], [...each.writableIndexes], [...each.readonlyIndexes]]),
  );
  assert.deepEqual([...web3.serialize()], [...bytes]);
  const kit = getCompiledTransactionMessageDecoder().decode(bytes);
  assert.equal(kit.version, message.version === 'legacy' ? 'legacy' : 0);
  assert.equal(kit.staticAccounts.length, message.accountKeys.length);
}

test('reads generated legacy and v0 messages as two other implementations do, and writes the same bytes', () => {
  fc.assert(
    fc.property(generatedMessage, (message) => {
      const bytes = encodeMessage(message);
      const decoded = decodeMessage(bytes);
      assert.deepEqual(decoded.header, message.header);
      assert.deepEqual(encodeMessage(decoded), bytes);
      agreesWithOracles(decoded, bytes);
      assert.ok(looksLikeTransaction(bytes));
      const slots = Array.from({ length: message.header.requiredSignatures }, () => new Uint8Array(64));
      const wire = encodeTransaction(slots, bytes);
      if (wire.length > 1232) return;
      assert.equal(decodeEnvelope(bytes).form, 'message');
      assert.equal(decodeEnvelope(wire).form, 'transaction');
      assert.ok(looksLikeTransaction(wire));
    }),
    { numRuns: 400, seed: 20261120 },
  );
});

test('reads a wire transaction and the bare message in it as the same message', () => {
  for (const version of ['legacy', 'v0'] as const) {
    const messageBytes = transfer(version);
    const wire = new VersionedTransaction(VersionedMessage.deserialize(messageBytes)).serialize();
    const envelope = decodeEnvelope(wire);
    assert.equal(envelope.form, 'transaction');
    assert.deepEqual(envelope.messageBytes, messageBytes);
    assert.equal(decodeEnvelope(messageBytes).form, 'message');
    assert.deepEqual(encodeTransaction(envelope.signatures, envelope.messageBytes), wire);
    assert.equal(Object.keys(getTransactionDecoder().decode(wire).signatures).length, 1);
  }
});

test('E1: refuses trailing bytes, which other decoders accept', () => {
  for (const version of ['legacy', 'v0'] as const) {
    const padded = concatBytes(transfer(version), Uint8Array.of(0));
    refused(padded);
    getCompiledTransactionMessageDecoder().decode(padded);
  }
});

test('E1: refuses a compact length that is not in its shortest form or is above 65,535', () => {
  const bytes = transfer('legacy');
  assert.equal(bytes[3], 4);
  for (const count of [
    [0x84, 0x00],
    [0x84, 0x80, 0x00],
    [0x84, 0x80, 0x04],
    [0xff, 0xff, 0x7f],
    [0x84, 0x80, 0x80, 0x00],
  ]) {
    refused(concatBytes(bytes.subarray(0, 3), Uint8Array.from(count), bytes.subarray(4)));
  }
});

test('refuses any message version but legacy and 0', () => {
  const bytes = transfer('v0');
  for (let version = 1; version < 128; version++) {
    const changed = concatBytes(Uint8Array.of(0x80 | version), bytes.subarray(1));
    refused(changed, 'transaction-version-unsupported');
  }
  const wire = concatBytes(Uint8Array.of(1), new Uint8Array(64), Uint8Array.of(0x81), bytes.subarray(1));
  refused(wire, 'transaction-version-unsupported');
});

test('refuses a header, program or account that cannot be', () => {
  const valid = decodeMessage(transfer('v0'));
  const cases: Message[] = [
    { ...valid, header: { ...valid.header, requiredSignatures: 0 } },
    { ...valid, header: { ...valid.header, readonlySigned: 1 } },
    { ...valid, header: { ...valid.header, readonlyUnsigned: 4 } },
    { ...valid, accountKeys: [valid.accountKeys[0]!, valid.accountKeys[0]!, ...valid.accountKeys.slice(2)] },
    { ...valid, instructions: [{ ...valid.instructions[0]!, programIndex: 0 }] },
    { ...valid, instructions: [{ ...valid.instructions[0]!, programIndex: 4 }] },
    { ...valid, instructions: [{ ...valid.instructions[0]!, accountIndexes: Uint8Array.of(4) }] },
    {
      ...valid,
      lookups: [
        { table: new Uint8Array(32), writableIndexes: new Uint8Array(0), readonlyIndexes: new Uint8Array(0) },
      ],
    },
    {
      ...valid,
      lookups: [
        { table: new Uint8Array(32), writableIndexes: Uint8Array.of(1), readonlyIndexes: Uint8Array.of(1) },
      ],
    },
  ];
  refused(
    encodeMessage({
      ...valid,
      version: 'v0',
      instructions: [{ ...valid.instructions[0]!, programIndex: 5 }],
    }),
  );
  for (const each of cases) refused(encodeMessage(each));
  assert.equal(decodeEnvelope(encodeMessage(valid)).message.version, 'v0');
});

test('refuses a program that comes from a lookup table', () => {
  const valid = decodeMessage(transfer('v0'));
  const lookups = [
    { table: new Uint8Array(32), writableIndexes: Uint8Array.of(1), readonlyIndexes: new Uint8Array(0) },
  ];
  const fromTable = [{ ...valid.instructions[0]!, programIndex: valid.accountKeys.length }];
  refused(encodeMessage({ ...valid, lookups, instructions: fromTable }));
  decodeEnvelope(encodeMessage({ ...valid, lookups }));
});

test('refuses signature slots that are not as many as the signers, and transactions too long to be sent', () => {
  const bytes = transfer('legacy');
  refused(concatBytes(Uint8Array.of(2), new Uint8Array(128), bytes));
  refused(concatBytes(Uint8Array.of(0), bytes));
  const valid = decodeMessage(bytes);
  const memo = (length: number) =>
    encodeMessage({
      ...valid,
      instructions: [...valid.instructions, { ...valid.instructions[1]!, data: new Uint8Array(length) }],
    });
  refused(memo(1100));
  decodeEnvelope(memo(800));
});

test('a mutated or padded encoding is refused with ChainError or is byte-equal after decoding and encoding', () => {
  const start = fc.constantFrom(
    transfer('legacy'),
    transfer('v0'),
    new VersionedTransaction(VersionedMessage.deserialize(transfer('v0'))).serialize(),
    new VersionedTransaction(VersionedMessage.deserialize(transfer('legacy'))).serialize(),
  );
  const edit = fc.record({
    at: fc.nat(300),
    remove: fc.nat(2),
    insert: fc.uint8Array({ maxLength: 3 }),
  });
  let refusals = 0;
  let accepted = 0;
  fc.assert(
    fc.property(start, fc.array(edit, { minLength: 1, maxLength: 3 }), (bytes, edits) => {
      let changed = bytes;
      for (const { at, remove, insert } of edits) {
        const offset = at % (changed.length + 1);
        changed = concatBytes(changed.subarray(0, offset), insert, changed.subarray(offset + remove));
      }
      try {
        const { form, signatures, messageBytes, message } = decodeEnvelope(changed);
        const again =
          form === 'message' ? encodeMessage(message) : encodeTransaction(signatures, messageBytes);
        assert.deepEqual(again, changed);
        agreesWithOracles(message, messageBytes);
        assert.ok(looksLikeTransaction(changed));
        accepted += 1;
      } catch (error) {
        if (!(error instanceof ChainError)) throw error;
        refusals += 1;
      }
    }),
    { numRuns: 2000, seed: 77001 },
  );
  assert.ok(refusals > 200 && accepted > 200, `seed 77001: ${refusals} refused, ${accepted} accepted`);
});

test('E2: sees a message, a transaction and an off-chain envelope in what is to be signed as text', () => {
  for (const version of ['legacy', 'v0'] as const) {
    const bytes = transfer(version);
    assert.ok(looksLikeTransaction(bytes));
    assert.ok(looksLikeTransaction(concatBytes(bytes, Uint8Array.of(0, 1, 2))), 'also when padded');
    assert.ok(looksLikeTransaction(encodeTransaction([new Uint8Array(64)], bytes)));
  }
  const legacy = transfer('legacy');
  const longForm = concatBytes(legacy.subarray(0, 3), Uint8Array.of(0x84, 0x00), legacy.subarray(4));
  assert.ok(looksLikeTransaction(longForm), 'also with a count in its long form');
  assert.ok(looksLikeTransaction(concatBytes(Uint8Array.of(0x81), transfer('v0').subarray(1))), 'version 1');
  assert.ok(looksLikeTransaction(offchain('hello')));
});

function offchain(text: string): Uint8Array {
  return concatBytes(Uint8Array.of(0xff), new TextEncoder().encode(`solana offchain${text}`));
}

test('does not take ordinary texts for transactions', () => {
  const texts = [
    '',
    'hello',
    'Sign in to example.com\nNonce: 8f1c2d\nIssued at: 2026-11-20T10:00:00Z\n'.repeat(20),
    '{"domain":"example.com","statement":"I accept the terms","version":"1"}'.repeat(10),
    'Ünïcödé и кириллица 文字 🙂'.repeat(40),
  ];
  for (const text of texts) assert.equal(looksLikeTransaction(new TextEncoder().encode(text)), false, text);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 70, maxLength: 400 }), (text) => {
      assert.equal(looksLikeTransaction(new TextEncoder().encode(`Message: ${text}`)), false);
    }),
    { numRuns: 300, seed: 5 },
  );
});

test('reads what the compiler of another implementation makes of lookup tables', () => {
  const table = {
    key: Keypair.generate().publicKey,
    isActive: () => true,
    state: { addresses: [other] },
  } as unknown as AddressLookupTableAccount;
  const compiled = MessageV0.compile({
    payerKey: payer,
    recentBlockhash: BLOCKHASH,
    instructions: [SystemProgram.transfer({ fromPubkey: payer, toPubkey: other, lamports: 1n })],
    addressLookupTableAccounts: [table],
  });
  const message = decodeMessage(compiled.serialize());
  assert.equal(message.lookups.length, 1);
  assert.equal(message.accountKeys.length, 2);
  assert.deepEqual([...message.instructions[0]!.accountIndexes], [0, 2]);
});
