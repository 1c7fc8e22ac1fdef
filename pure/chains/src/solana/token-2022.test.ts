import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import {
  AddressLookupTableAccount,
  Keypair,
  PublicKey,
  SystemProgram,
  TransactionInstruction,
  TransactionMessage,
} from '@solana/web3.js';
import type { InstructionDescription } from '../call-description.ts';
import type { ParseContext, SigningAccount } from '../chain.ts';
import { StepBudget } from '../step-budget.ts';
import { associatedTokenAddress } from './address.ts';
import { parseTransaction } from './parse.ts';
import { TOKEN_2022_PROGRAM, TOKEN_PROGRAM } from './programs.ts';

// Discriminators and layouts as of the generated clients @solana-program/token 0.16.1 and token-2022 0.11.0.

const seed = (fill: number) => Keypair.fromSeed(new Uint8Array(32).fill(fill));
const US = seed(1).publicKey;
const THEM = seed(2).publicKey;
const MINT = new PublicKey('EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGkZwyTDt1v');
const TOKEN = new PublicKey(TOKEN_PROGRAM);
const TOKEN_2022 = new PublicKey(TOKEN_2022_PROGRAM);
const PROGRAM = seed(4).publicKey;
const account: SigningAccount = {
  publicKey: US.toBytes(),
  addressFormat: 'Solana',
  address: US.toBase58(),
  derivationPath: null,
};
const key = (fill: number): PublicKey => new PublicKey(new Uint8Array(32).fill(fill));
const bytes = (length: number, fill = 7): number[] => new Array<number>(length).fill(fill);
const u64 = (value: bigint) => Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
const asset = `solana/token:${MINT.toBase58()}`;

function parse(
  instructions: TransactionInstruction[],
  context?: ParseContext,
  tables?: AddressLookupTableAccount[],
) {
  const message = new TransactionMessage({
    payerKey: US,
    recentBlockhash: key(9).toBase58(),
    instructions,
  }).compileToV0Message(tables);
  return parseTransaction(Uint8Array.from(message.serialize()), account, context).effects;
}

function instruction(programId: PublicKey, data: readonly number[], ...keys: PublicKey[]) {
  return new TransactionInstruction({
    programId,
    data: Buffer.from(data),
    keys: keys.map((pubkey) => ({
      pubkey,
      isSigner: pubkey.equals(US) || pubkey.equals(THEM),
      isWritable: true,
    })),
  });
}

describe('Token-2022', () => {
  /** Data, accounts before the authority, and the doubt that follows when the authority is ours. */
  const cases: readonly [name: string, data: number[], accounts: PublicKey[], doubt: string | null][] = [
    ['token.initialize-mint-close-authority', [25, 1, ...bytes(32)], [MINT], null],
    ['token.initialize-transfer-fee', [26, 0, 0, 1, ...bytes(32), ...bytes(10)], [MINT], null],
    ['token.harvest-withheld-to-mint', [26, 4], [MINT, key(70)], null],
    ['token.set-transfer-fee', [26, 5, ...bytes(10)], [MINT, US], 'token-issuer'],
    ['token.initialize-default-account-state', [28, 0, 2], [MINT], null],
    ['token.update-default-account-state', [28, 1, 2], [MINT, US], 'token-issuer'],
    ['token.enable-memo-transfers', [30, 0], [key(70), US], null],
    ['token.disable-memo-transfers', [30, 1], [key(70), US], null],
    ['token.initialize-non-transferable-mint', [32], [MINT], null],
    ['token.initialize-interest-bearing-mint', [33, 0, ...bytes(34)], [MINT], null],
    ['token.update-interest-rate', [33, 1, ...bytes(2)], [MINT, US], null],
    ['token.enable-cpi-guard', [34, 0], [key(70), US], null],
    ['token.disable-cpi-guard', [34, 1], [key(70), US], 'cpi-guard-off'],
    ['token.initialize-permanent-delegate', [35, ...bytes(32)], [MINT], 'permanent-delegate'],
    ['token.initialize-transfer-hook', [36, 0, ...bytes(64)], [MINT], 'transfer-hook'],
    ['token.update-transfer-hook', [36, 1, ...bytes(32)], [MINT, US], 'transfer-hook'],
    ['token.initialize-metadata-pointer', [39, 0, ...bytes(64)], [MINT], null],
    ['token.update-metadata-pointer', [39, 1, ...bytes(32)], [MINT, US], null],
    ['token.initialize-group-pointer', [40, 0, ...bytes(64)], [MINT], null],
    ['token.update-group-pointer', [40, 1, ...bytes(32)], [MINT, US], null],
    ['token.initialize-group-member-pointer', [41, 0, ...bytes(64)], [MINT], null],
    ['token.update-group-member-pointer', [41, 1, ...bytes(32)], [MINT, US], null],
    ['token.initialize-scaled-ui-amount', [43, 0, ...bytes(40)], [MINT], null],
    ['token.update-scaled-ui-amount', [43, 1, ...bytes(16)], [MINT, US], null],
    ['token.initialize-pausable', [44, 0, ...bytes(32)], [MINT], 'pausable'],
    ['token.pause', [44, 1], [MINT, US], 'pausable'],
    ['token.resume', [44, 2], [MINT, US], 'pausable'],
    ['token.initialize-permissioned-burn', [46, 0, ...bytes(32)], [MINT], null],
    ['token.amount-to-ui-amount', [23, ...u64(5n)], [MINT], null],
    ['token.ui-amount-to-amount', [24, 0x31, 0x2e, 0x35], [MINT], null],
    ['token.get-account-data-size', [21, 7, 0, 11, 0], [MINT], null],
  ];
  for (const [name, data, accounts, doubt] of cases) {
    test(`${name} ${doubt === null ? 'moves nothing of ours' : `needs a rule for ${doubt}`}`, () => {
      const effects = parse([instruction(TOKEN_2022, data, ...accounts)]);
      assert.deepEqual(
        effects.calls.map((call) => call.name),
        [name],
      );
      assert.deepEqual(
        effects.unresolved.map((each) => [each.kind, each.subject]),
        doubt === null ? [] : [[doubt, name]],
      );
      assert.deepEqual([effects.outflows, effects.grants, effects.takeovers], [[], [], []]);
      const long = parse([instruction(TOKEN_2022, [...data, 0], ...accounts)]).unresolved;
      const takesAnyText = data[0] === 24 || data[0] === 21;
      if (!takesAnyText) assert.equal(long[0]!.kind, 'trailing-instruction-data');
      const short = parse([instruction(TOKEN_2022, data.slice(0, -1), ...accounts)]);
      if (!takesAnyText) assert.notDeepEqual(short.unresolved, []);
    });
  }

  test('what an authority may do is no doubt of ours when another is the authority', () => {
    for (const data of [
      [26, 5, ...bytes(10)],
      [34, 1],
      [36, 1, ...bytes(32)],
      [44, 1],
    ]) {
      assert.deepEqual(parse([instruction(TOKEN_2022, data, MINT, THEM)]).unresolved, []);
    }
  });

  test('every instruction with encrypted amounts is doubted, the burn of the permissioned extension too', () => {
    const instructions = [
      ...Array.from({ length: 15 }, (_, second) => [27, second]),
      ...Array.from({ length: 6 }, (_, second) => [37, second]),
      ...Array.from({ length: 6 }, (_, second) => [42, second]),
      [46, 3],
    ];
    for (const data of instructions) {
      const { unresolved } = parse([instruction(TOKEN_2022, data, key(70), MINT, US)]);
      assert.equal(unresolved[0]!.kind, 'confidential-transfer', String(data));
    }
  });

  test('withheld fees are swept without a bound, and burning with permission burns', () => {
    for (const data of [
      [26, 2],
      [26, 3, 1],
    ]) {
      const effects = parse([instruction(TOKEN_2022, data, MINT, key(70), US)]);
      assert.deepEqual(
        effects.outflows.map((each) => [each.asset, each.amount, each.to]),
        [[asset, 'unbounded', key(70).toBase58()]],
      );
      assert.deepEqual(parse([instruction(TOKEN_2022, data, MINT, key(70), THEM)]).outflows, []);
    }
    for (const data of [
      [46, 1, ...u64(9n)],
      [46, 2, ...u64(9n), 6],
    ]) {
      const effects = parse([instruction(TOKEN_2022, data, key(70), MINT, THEM, US)]);
      assert.deepEqual(
        effects.outflows.map((each) => [each.asset, each.amount, each.kind]),
        [[asset, 9n, 'burn']],
      );
    }
  });

  test('making an account larger costs bounded rent, which only its payer pays', () => {
    const grow = (payer: PublicKey) =>
      parse([instruction(TOKEN_2022, [29, 5, 0, 8, 0], key(70), payer, SystemProgram.programId, THEM)]);
    assert.deepEqual(
      grow(US).outflows.map((each) => [each.amount, each.kind]),
      [[2n * 400n * 6_960n, 'rent']],
    );
    assert.deepEqual(grow(THEM).outflows, []);
  });

  test('every kind of authority has a name, and one that is not known is doubted', () => {
    const set = (type: number, program: PublicKey) =>
      parse([instruction(program, [6, type, 1, ...THEM.toBytes()], MINT, US)]);
    for (let type = 0; type < 18; type++) {
      const { takeovers, unresolved } = set(type, TOKEN_2022);
      assert.deepEqual([takeovers.length, unresolved], [1, []]);
      assert.doesNotMatch(takeovers[0]!.kind, /type-/);
    }
    assert.equal(set(18, TOKEN_2022).unresolved[0]!.kind, 'unknown-instruction');
    assert.equal(set(4, TOKEN).unresolved[0]!.kind, 'unknown-instruction');
    assert.deepEqual(set(3, TOKEN).unresolved, []);
  });

  test('what goes to the wallet’s own is named by its token account, unless the bytes state what the mint keeps', () => {
    const to = (owner: PublicKey, program: string, data: number[]) => {
      const tokens = associatedTokenAddress(owner.toBase58(), MINT.toBase58(), program);
      const effects = parse(
        [
          instruction(new PublicKey(program), data, key(70), MINT, new PublicKey(tokens), US),
          SystemProgram.transfer({ fromPubkey: US, toPubkey: US, lamports: 1 }),
        ],
        {
          knownOwners: [PROGRAM.toBase58(), key(90).toBase58()],
          ownAddresses: new Set([PROGRAM.toBase58()]),
        },
      );
      const names = effects.outflows
        .slice(0, -1)
        .map((each) => [
          each.amount,
          each.to === tokens ? 'tokens' : each.to === owner.toBase58() ? 'owner' : each.to,
        ]);
      return names;
    };
    const plain = [12, ...u64(8n), 6];
    for (const own of [US, PROGRAM]) {
      assert.deepEqual(to(own, TOKEN_2022_PROGRAM, plain), [[8n, 'tokens']]);
      assert.deepEqual(to(own, TOKEN_PROGRAM, plain), [[8n, 'owner']]);
      assert.deepEqual(to(own, TOKEN_2022_PROGRAM, [26, 1, ...u64(8n), 6, ...u64(3n)]), [
        [5n, 'owner'],
        [3n, null],
      ]);
    }
    assert.deepEqual(to(key(90), TOKEN_2022_PROGRAM, plain), [[8n, 'owner']]);
  });

  test('accounts after a multisignature owner that do not sign serve a hook', () => {
    const data = [12, ...u64(8n), 6];
    const accounts = [key(70), MINT, key(71), key(72), THEM, US];
    assert.deepEqual(parse([instruction(TOKEN_2022, data, ...accounts)]).unresolved, []);
    const hooked = parse([instruction(TOKEN_2022, data, ...accounts, PROGRAM)]).unresolved;
    assert.deepEqual(
      hooked.map((each) => [each.kind, each.subject]),
      [['transfer-hook', MINT.toBase58()]],
    );
  });
});

describe('the associated token program', () => {
  const own = (mint: PublicKey) =>
    new PublicKey(associatedTokenAddress(US.toBase58(), mint.toBase58(), TOKEN_PROGRAM));
  const associatedProgram = new PublicKey('ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL');

  test('recovers nested tokens to ourselves, and to nobody else', () => {
    const recover = (destination: PublicKey) =>
      parse([
        instruction(associatedProgram, [2], key(70), MINT, destination, own(key(71)), key(71), US, TOKEN),
      ]);
    assert.deepEqual([recover(own(MINT)).unresolved, recover(own(MINT)).outflows], [[], []]);
    assert.equal(recover(key(73)).unresolved[0]!.kind, 'derived-address-mismatch');
  });

  test('bounds nothing of nested tokens of Token-2022, of which the mint may keep any part', () => {
    const destination = new PublicKey(
      associatedTokenAddress(US.toBase58(), MINT.toBase58(), TOKEN_2022_PROGRAM),
    );
    const { outflows, unresolved } = parse([
      instruction(associatedProgram, [2], key(70), MINT, destination, own(key(71)), key(71), US, TOKEN_2022),
    ]);
    assert.deepEqual(
      [outflows.map((each) => [each.asset, each.amount]), unresolved],
      [[[asset, 'unbounded']], []],
    );
  });
});

describe('what the caller answers for', () => {
  const table = (addresses: PublicKey[]) =>
    new AddressLookupTableAccount({
      key: key(50),
      state: {
        deactivationSlot: 2n ** 64n - 1n,
        lastExtendedSlot: 0,
        lastExtendedSlotStartIndex: 0,
        addresses,
      },
    });
  const transfer = [SystemProgram.transfer({ fromPubkey: US, toPubkey: key(80), lamports: 5 })];
  const tables = (...addresses: string[]) =>
    ({ lookupTables: new Map([[key(50).toBase58(), addresses]]) }) satisfies ParseContext;

  test('a recipient in a lookup table is named where its contents are stated, and only there', () => {
    const given = [table([key(79), key(80)])];
    const stated = parse(transfer, tables(key(79).toBase58(), key(80).toBase58()), given);
    assert.deepEqual([stated.outflows[0]!.to, stated.unresolved], [key(80).toBase58(), []]);
    for (const context of [undefined, tables(), tables(key(79).toBase58()), tables('', '')]) {
      const effects = parse(transfer, context, given);
      assert.deepEqual(
        effects.unresolved.map((each) => [each.kind, each.subject]),
        [['lookup-table', `${key(50).toBase58()}#1`]],
      );
      assert.equal(effects.outflows[0]!.to, null);
    }
    assert.throws(() => parse(transfer, tables('', US.toBase58()), given), { code: 'transaction-malformed' });
  });

  test('a known owner is recognised at the associated account, and a stated mint names a plain transfer', () => {
    const theirs = new PublicKey(associatedTokenAddress(THEM.toBase58(), MINT.toBase58(), TOKEN_PROGRAM));
    const checked = instruction(TOKEN, [12, ...u64(5n), 6], key(70), MINT, theirs, US);
    assert.equal(parse([checked]).outflows[0]!.to, theirs.toBase58());
    const known = parse([checked], { knownOwners: [key(1).toBase58(), THEM.toBase58()] });
    assert.equal(known.outflows[0]!.to, THEM.toBase58());
    const change = instruction(TOKEN, [6, 2, 1, ...key(5).toBytes()], theirs, THEM);
    const disowned = parse([change, checked], { knownOwners: [THEM.toBase58()] });
    assert.equal(disowned.outflows[0]!.to, theirs.toBase58(), 'given away before the transfer');
    const plain = instruction(TOKEN, [3, ...u64(5n)], key(70), key(71), US);
    const tokenAccounts = new Map([
      [key(70).toBase58(), { mint: MINT.toBase58(), owner: US.toBase58() }],
      [key(71).toBase58(), { mint: MINT.toBase58(), owner: THEM.toBase58() }],
    ]);
    assert.equal(parse([plain]).unresolved[0]!.kind, 'token-mint-unknown');
    const stated = parse([plain], { tokenAccounts });
    assert.deepEqual([stated.outflows[0]!.asset, stated.outflows[0]!.to], [asset, THEM.toBase58()]);
    assert.deepEqual(stated.unresolved, []);
  });

  const description: InstructionDescription = {
    chain: 'solana',
    name: 'vault.deposit',
    program: PROGRAM.toBase58(),
    discriminator: hexEncode(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])),
    arguments: [
      { name: 'amount', type: 'u64' },
      { name: 'delta', type: 'i16' },
      { name: 'note', type: 'string' },
      { name: 'referrer', type: { option: 'publicKey' } },
      { name: 'steps', type: { vec: 'u8' } },
      { name: 'final', type: 'bool' },
    ],
    accounts: ['owner', 'vault'],
  };
  const text = [...utf8Encode('hé')];
  const data = [
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    ...u64(77n),
    0xfe,
    0xff,
    text.length,
    0,
    0,
    0,
    ...text,
    0,
    2,
    0,
    0,
    0,
  ];

  test('an instruction that the policy describes has its fields by name, and stays for a rule to accept', () => {
    const effects = parse([instruction(PROGRAM, [...data, 8, 9, 1], US, key(70))], { calls: [description] });
    assert.deepEqual(effects.calls[0], {
      target: PROGRAM.toBase58(),
      name: 'vault.deposit',
      arguments: {
        instruction: 'instructions[0]',
        program: PROGRAM.toBase58(),
        'account.owner': US.toBase58(),
        'account.vault': key(70).toBase58(),
        amount: '77',
        delta: '-2',
        note: 'hé',
        referrer: '',
        steps: '8,9',
        final: 'true',
        usesSigner: 'true',
      },
    });
    assert.deepEqual(
      effects.unresolved.map((each) => [each.kind, each.subject]),
      [['described-call', 'vault.deposit']],
    );
  });

  test('data or accounts that the description does not fit exactly are never taken for the described call', () => {
    const kinds = (given: number[], ...accounts: PublicKey[]) =>
      parse([instruction(PROGRAM, given, ...accounts)], { calls: [description] }).unresolved.map(
        (each) => each.kind,
      );
    const two = [US, key(70)];
    assert.deepEqual(kinds([...data, 8, 9, 1, 0], ...two), ['described-call-mismatch']);
    assert.deepEqual(kinds([...data, 8, 9], ...two), ['described-call-mismatch']);
    assert.deepEqual(kinds([...data, 8, 9, 2], ...two), ['described-call-mismatch']);
    assert.deepEqual(kinds([...data, 8, 9, 1], US), ['described-call-mismatch']);
    assert.deepEqual(kinds([...data, 8, 9, 1], ...two, key(71)), ['described-call-mismatch']);
    assert.deepEqual(kinds([9, ...data.slice(1), 8, 9, 1], ...two), ['unknown-program']);
  });

  test('no context changes what is signed', () => {
    const message = new TransactionMessage({
      payerKey: US,
      recentBlockhash: key(9).toBase58(),
      instructions: [instruction(PROGRAM, [...data, 8, 9, 1], US, key(70))],
    }).compileToV0Message();
    const wire = Uint8Array.from(message.serialize());
    const contexts: ParseContext[] = [{}, { calls: [description] }, tables(key(80).toBase58())];
    for (const context of contexts) {
      assert.deepEqual(parseTransaction(wire, account, context).signingInputs, [
        { algorithm: 'ed25519', bytes: wire },
      ]);
    }
  });

  test('more work than the step budget allows is refused before it is done', () => {
    const steps = new StepBudget(60_000);
    parse(transfer, { steps });
    assert.ok(steps.used > 0 && steps.used < 1_000, String(steps.used));
    assert.throws(() => parse(transfer, { steps: new StepBudget(steps.used - 1) }), {
      code: 'transaction-too-complex',
    });
    const owners = Array.from({ length: 64 }, (_, i) => key(100 + i).toBase58());
    const checked = (mint: PublicKey) => instruction(TOKEN, [12, ...u64(5n), 6], key(70), mint, key(71), US);
    parse([checked(MINT), checked(MINT)], { knownOwners: owners });
    assert.throws(() => parse([checked(MINT), checked(key(72))], { knownOwners: owners }), {
      code: 'transaction-too-complex',
    });
  });
});
