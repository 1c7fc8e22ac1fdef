import assert from 'node:assert/strict';
import { createPublicKey, verify as nodeVerify } from 'node:crypto';
import { describe, test } from 'node:test';
import { base58Encode } from '@keystead/crypto/base58';
import { concatBytes } from '@keystead/crypto/bytes';
import { sign } from '@keystead/crypto/ed25519';
import { getTransactionDecoder } from '@solana/kit';
import {
  AddressLookupTableAccount,
  Authorized,
  ComputeBudgetProgram,
  Ed25519Program,
  Keypair,
  Lockup,
  PublicKey,
  StakeProgram,
  SystemProgram,
  Transaction,
  TransactionInstruction,
  TransactionMessage,
  VersionedTransaction,
} from '@solana/web3.js';
import fc from 'fast-check';
import type { ParsedTransaction, SigningAccount } from '../chain.ts';
import { ChainError } from '../error.ts';
import { associatedTokenAddress } from './address.ts';
import { solana } from './chain.ts';
import { TOKEN_2022_PROGRAM, TOKEN_PROGRAM, WRAPPED_SOL_MINT } from './programs.ts';

const SEED = new Uint8Array(32).fill(1);
const US = Keypair.fromSeed(SEED);
const THEM = Keypair.fromSeed(new Uint8Array(32).fill(2));
const ATTACKER = Keypair.fromSeed(new Uint8Array(32).fill(3)).publicKey;
const MINT = new PublicKey('EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGkZwyTDt1v');
const TOKEN = new PublicKey(TOKEN_PROGRAM);
const TOKEN_2022 = new PublicKey(TOKEN_2022_PROGRAM);
const ASSOCIATED = new PublicKey('ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL');
const UNKNOWN = Keypair.fromSeed(new Uint8Array(32).fill(4)).publicKey;
const BLOCKHASH = new PublicKey(new Uint8Array(32).fill(9)).toBase58();
const ours = US.publicKey.toBase58();
const SOL = 'solana/slip44:501';

function accountOf(keypair: Keypair): SigningAccount {
  return {
    publicKey: keypair.publicKey.toBytes(),
    addressFormat: 'Solana',
    address: keypair.publicKey.toBase58(),
    derivationPath: "m/44'/501'/0'/0'",
  };
}

function compile(
  instructions: TransactionInstruction[],
  options: { payer?: PublicKey; legacy?: boolean; tables?: AddressLookupTableAccount[] } = {},
): Uint8Array {
  const message = new TransactionMessage({
    payerKey: options.payer ?? US.publicKey,
    recentBlockhash: BLOCKHASH,
    instructions,
  });
  return Uint8Array.from(
    options.legacy === false || options.tables
      ? message.compileToV0Message(options.tables).serialize()
      : message.compileToLegacyMessage().serialize(),
  );
}

function parse(instructions: TransactionInstruction[], options?: Parameters<typeof compile>[1]) {
  return solana.parseTransaction(compile(instructions, options), accountOf(US)).effects;
}

function instruction(
  programId: PublicKey,
  data: number[] | Uint8Array,
  ...keys: PublicKey[]
): TransactionInstruction {
  return new TransactionInstruction({
    programId,
    data: Buffer.from(data),
    keys: keys.map((pubkey) => ({
      pubkey,
      isSigner: pubkey.equals(US.publicKey) || pubkey.equals(THEM.publicKey),
      isWritable: true,
    })),
  });
}

function u64(value: bigint): number[] {
  return Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function associated(owner: PublicKey, mint = MINT, program = TOKEN): PublicKey {
  return PublicKey.findProgramAddressSync(
    [owner.toBytes(), program.toBytes(), mint.toBytes()],
    ASSOCIATED,
  )[0];
}

const OUR_TOKENS = associated(US.publicKey);
const THEIR_TOKENS = associated(THEM.publicKey);
const key = (fill: number): PublicKey => new PublicKey(new Uint8Array(32).fill(fill));

const kinds = (effects: ReturnType<typeof parse>): string[] => effects.unresolved.map((each) => each.kind);

test('reports generated transfers exactly as they were built, legacy and v0, and signs what others verify', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.option(fc.nat(5_000_000), { nil: null }),
      fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: null }),
      fc.boolean(),
      fc.boolean(),
      (lamports, recipientKey, limit, price, legacy, wire) => {
        const recipient = new PublicKey(recipientKey);
        fc.pre(recipient.toBase58() !== ours && recipient.toBase58() !== '1'.repeat(32));
        const instructions = [];
        if (limit !== null) instructions.push(ComputeBudgetProgram.setComputeUnitLimit({ units: limit }));
        if (price !== null)
          instructions.push(ComputeBudgetProgram.setComputeUnitPrice({ microLamports: price }));
        instructions.push(
          SystemProgram.transfer({ fromPubkey: US.publicKey, toPubkey: recipient, lamports }),
        );
        const message = compile(instructions, { legacy });
        const bytes = wire ? concatBytes(Uint8Array.of(1), new Uint8Array(64), message) : message;
        const parsed = solana.parseTransaction(bytes, accountOf(US));
        const { effects } = parsed;
        assert.equal(effects.version, legacy ? 'legacy' : 'v0');
        assert.deepEqual(effects.outflows, [
          { asset: SOL, amount: lamports, from: ours, to: recipient.toBase58(), kind: 'transfer' },
        ]);
        assert.deepEqual([effects.signers, effects.feePayer, effects.network], [[ours], ours, null]);
        assert.deepEqual([effects.grants, effects.takeovers, effects.unresolved], [[], [], []]);
        const others = (limit === null ? 0n : 1n) + (price === null ? 0n : 1n);
        const units = limit === null ? 200_000n + 3_000n * others : BigInt(Math.min(limit, 1_400_000));
        const fee = 5_000n + ((price ?? 0n) * units + 999_999n) / 1_000_000n;
        assert.deepEqual(effects.maxFee, { asset: SOL, amount: fee });
        assert.deepEqual(parsed.signingInputs[0]!.bytes, message);
        checkSigned(parsed);
      },
    ),
    { numRuns: 300, seed: 501 },
  );
});

/** Signs, assembles, and lets OpenSSL, kit and web3.js read the result. */
function checkSigned(parsed: ParsedTransaction): void {
  const signature = sign(SEED, parsed.signingInputs[0]!.bytes);
  const { transaction, id } = parsed.assemble([{ bytes: signature }]);
  const web3 = VersionedTransaction.deserialize(transaction);
  assert.deepEqual([...web3.signatures[0]!], [...signature]);
  assert.equal(id(), base58Encode(signature));
  const kit = getTransactionDecoder().decode(transaction);
  assert.deepEqual([...(Object.values(kit.signatures)[0] ?? [])], [...signature]);
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), US.publicKey.toBuffer()]);
  const openssl = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  assert.ok(nodeVerify(null, kit.messageBytes as unknown as Uint8Array, openssl, signature));
}

describe('roles', () => {
  test('refuses a transaction that does not ask for our signature', () => {
    const foreign = compile(
      [SystemProgram.transfer({ fromPubkey: THEM.publicKey, toPubkey: US.publicKey, lamports: 1 })],
      { payer: THEM.publicKey },
    );
    assert.throws(
      () => solana.parseTransaction(foreign, accountOf(US)),
      (error) => error instanceof ChainError && error.code === 'transaction-not-ours',
    );
    assert.equal(solana.parseTransaction(foreign, accountOf(THEM)).effects.outflows.length, 1);
  });

  test('counts nothing as ours that another signer pays', () => {
    const effects = parse(
      [
        SystemProgram.transfer({ fromPubkey: THEM.publicKey, toPubkey: ATTACKER, lamports: 5 }),
        instruction(TOKEN, [12, ...u64(7n), 6], THEIR_TOKENS, MINT, OUR_TOKENS, THEM.publicKey),
      ],
      { payer: US.publicKey },
    );
    assert.deepEqual(effects.outflows, []);
    assert.equal(effects.calls.length, 2);
    assert.deepEqual(effects.signers, [ours, THEM.publicKey.toBase58()]);
  });

  test('puts the signature into our slot and leaves the others as they were', () => {
    const transaction = new Transaction({ feePayer: THEM.publicKey, recentBlockhash: BLOCKHASH }).add(
      SystemProgram.transfer({ fromPubkey: US.publicKey, toPubkey: ATTACKER, lamports: 5 }),
    );
    transaction.partialSign(THEM);
    const wire = Uint8Array.from(transaction.serialize({ requireAllSignatures: false }));
    const parsed = solana.parseTransaction(wire, accountOf(US));
    const assembled = parsed.assemble([{ bytes: sign(SEED, parsed.signingInputs[0]!.bytes) }]);
    assert.ok(Transaction.from(Buffer.from(assembled.transaction)).verifySignatures());
    assert.equal(assembled.id(), base58Encode(Uint8Array.from(transaction.signature!)));
    const bare = solana.parseTransaction(Uint8Array.from(transaction.serializeMessage()), accountOf(US));
    assert.equal(
      bare.assemble([{ bytes: new Uint8Array(64).fill(1) }]).id(),
      null,
      'the first slot is empty',
    );
    assert.throws(() => parsed.assemble([]), RangeError);
    assert.throws(() => parsed.assemble([{ bytes: new Uint8Array(63) }]), RangeError);
  });
});

describe('E12: fees', () => {
  test('counts precompile signatures and every signer', () => {
    const precompile = Ed25519Program.createInstructionWithPrivateKey({
      privateKey: THEM.secretKey,
      message: Buffer.from('x'),
    });
    const effects = parse([
      precompile,
      SystemProgram.transfer({ fromPubkey: THEM.publicKey, toPubkey: ATTACKER, lamports: 1 }),
    ]);
    assert.equal(effects.maxFee!.amount, 15_000n);
    assert.deepEqual(effects.unresolved, []);
  });

  test('shows the drain of an enormous compute unit price', () => {
    const effects = parse([
      ComputeBudgetProgram.setComputeUnitLimit({ units: 1_400_000 }),
      ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 10n ** 12n }),
    ]);
    assert.equal(effects.maxFee!.amount, 5_000n + 1_400_000_000_000n);
  });

  test('refuses a second request of the same kind', () => {
    const twice = [1, 2].map((units) => ComputeBudgetProgram.setComputeUnitLimit({ units }));
    assert.throws(
      () => parse(twice),
      (error) => error instanceof ChainError && error.code === 'transaction-malformed',
    );
  });
});

describe('System program', () => {
  test('counts rent and lamports of transfers with seeds, created accounts and nonce withdrawals', () => {
    const derived = PublicKey.createWithSeed(US.publicKey, 'seed', SystemProgram.programId);
    return derived.then((source) => {
      const effects = parse([
        SystemProgram.createAccount({
          fromPubkey: US.publicKey,
          newAccountPubkey: THEM.publicKey,
          lamports: 10,
          space: 165,
          programId: TOKEN,
        }),
        SystemProgram.transfer({
          fromPubkey: source,
          basePubkey: US.publicKey,
          toPubkey: ATTACKER,
          lamports: 20,
          seed: 'seed',
          programId: SystemProgram.programId,
        }),
        SystemProgram.createAccountWithSeed({
          fromPubkey: US.publicKey,
          newAccountPubkey: source,
          basePubkey: US.publicKey,
          seed: 'seed',
          lamports: 30,
          space: 0,
          programId: SystemProgram.programId,
        }),
        SystemProgram.nonceWithdraw({
          noncePubkey: UNKNOWN,
          authorizedPubkey: US.publicKey,
          toPubkey: ATTACKER,
          lamports: 40,
        }),
      ]);
      assert.deepEqual(
        effects.outflows.map((each) => [each.amount, each.kind, each.to]),
        [
          [10n, 'rent', THEM.publicKey.toBase58()],
          [20n, 'transfer', ATTACKER.toBase58()],
          [30n, 'rent', source.toBase58()],
          [40n, 'transfer', ATTACKER.toBase58()],
        ],
      );
      assert.deepEqual([effects.takeovers, effects.unresolved], [[], []]);
    });
  });

  test('names a created account that its seed does not derive', () => {
    const effects = parse([
      SystemProgram.createAccountWithSeed({
        fromPubkey: US.publicKey,
        newAccountPubkey: UNKNOWN,
        basePubkey: US.publicKey,
        seed: 'seed',
        lamports: 30,
        space: 0,
        programId: SystemProgram.programId,
      }),
    ]);
    assert.deepEqual(kinds(effects), ['derived-address-mismatch']);
  });

  test('E19: knows a durable-nonce transaction, which never expires, by its first instruction only', () => {
    const advance = SystemProgram.nonceAdvance({ noncePubkey: UNKNOWN, authorizedPubkey: US.publicKey });
    const transfer = SystemProgram.transfer({ fromPubkey: US.publicKey, toPubkey: ATTACKER, lamports: 1 });
    assert.equal(parse([transfer, advance]).validity.uniqueness, 'blockhash');
    const { validity, unresolved } = parse([advance, transfer]);
    assert.deepEqual(validity, {
      uniqueness: 'durable-nonce',
      key: `${UNKNOWN.toBase58()}:${BLOCKHASH}`,
      notBefore: null,
      notAfter: null,
    });
    assert.deepEqual(
      unresolved.map((each) => [each.kind, each.subject]),
      [['durable-nonce', UNKNOWN.toBase58()]],
    );
    const padded = new TransactionInstruction({
      ...advance,
      data: Buffer.concat([advance.data, Buffer.from([1])]),
    });
    const effects = parse([padded, transfer]);
    assert.equal(effects.validity.uniqueness, 'durable-nonce');
    assert.deepEqual(kinds(effects), ['trailing-instruction-data', 'durable-nonce']);
  });
});

describe('E10: takeovers', () => {
  const nonce = { noncePubkey: UNKNOWN, authorizedPubkey: US.publicKey, newAuthorizedPubkey: ATTACKER };
  const stake = { stakePubkey: UNKNOWN, authorizedPubkey: US.publicKey, newAuthorizedPubkey: ATTACKER };
  const setAuthority = (type: number, program = TOKEN) =>
    instruction(program, [6, type, 1, ...ATTACKER.toBytes()], OUR_TOKENS, US.publicKey);
  const stakeData = (discriminator: number, ...rest: number[]) => [discriminator, 0, 0, 0, ...rest];
  const cases: [string, TransactionInstruction][] = [
    [
      'system-assign-with-seed',
      SystemProgram.assign({
        accountPubkey: UNKNOWN,
        basePubkey: US.publicKey,
        seed: 's',
        programId: ATTACKER,
      }),
    ],
    ['nonce-authorize', SystemProgram.nonceAuthorize(nonce)],
    ['token-set-authority:mint-tokens', setAuthority(0)],
    ['token-set-authority:freeze-account', setAuthority(1)],
    ['token-set-authority:account-owner', setAuthority(2)],
    ['token-set-authority:close-account', setAuthority(3, TOKEN_2022)],
    ['token-set-authority:account-owner', instruction(TOKEN, [6, 2, 0], OUR_TOKENS, US.publicKey)],
    [
      'stake-authorize',
      StakeProgram.authorize({ ...stake, stakeAuthorizationType: { index: 1 } }).instructions[0]!,
    ],
    [
      'stake-authorize-with-seed',
      StakeProgram.authorizeWithSeed({
        stakePubkey: UNKNOWN,
        authorityBase: US.publicKey,
        authoritySeed: 's',
        authorityOwner: SystemProgram.programId,
        newAuthorizedPubkey: ATTACKER,
        stakeAuthorizationType: { index: 0 },
      }).instructions[0]!,
    ],
    [
      'stake-authorize-checked',
      instruction(
        StakeProgram.programId,
        stakeData(10, 1, 0, 0, 0),
        UNKNOWN,
        key(70),
        US.publicKey,
        THEM.publicKey,
      ),
    ],
    [
      'stake-authorize-checked-with-seed',
      instruction(
        StakeProgram.programId,
        stakeData(11, 1, 0, 0, 0, ...u64(1n), 0x73, ...ATTACKER.toBytes()),
        UNKNOWN,
        US.publicKey,
        key(70),
        THEM.publicKey,
      ),
    ],
    [
      'stake-set-lockup',
      instruction(
        StakeProgram.programId,
        stakeData(6, 0, 0, 1, ...ATTACKER.toBytes()),
        UNKNOWN,
        US.publicKey,
      ),
    ],
    [
      'stake-set-lockup-checked',
      instruction(StakeProgram.programId, stakeData(12, 1, ...u64(9n), 0), UNKNOWN, US.publicKey),
    ],
  ];
  for (const [kind, each] of cases) {
    test(`${kind} by ${each.programId.toBase58().slice(0, 5)} is a takeover`, () => {
      const effects = parse([each]);
      assert.deepEqual(
        effects.takeovers.map((takeover) => takeover.kind),
        [kind],
      );
      assert.deepEqual(effects.unresolved, []);
    });
  }

  test('whatever would end the use of our own address as a wallet is refused', () => {
    const target = { accountPubkey: US.publicKey };
    const lost = [
      SystemProgram.assign({ ...target, programId: UNKNOWN }),
      SystemProgram.allocate({ ...target, space: 1 }),
      SystemProgram.assign({ ...target, basePubkey: THEM.publicKey, seed: 's', programId: UNKNOWN }),
      SystemProgram.allocate({
        ...target,
        basePubkey: THEM.publicKey,
        seed: 's',
        space: 1,
        programId: UNKNOWN,
      }),
      SystemProgram.createAccount({
        fromPubkey: THEM.publicKey,
        newAccountPubkey: US.publicKey,
        lamports: 1,
        space: 0,
        programId: UNKNOWN,
      }),
    ];
    for (const each of lost) {
      assert.throws(() => parse([each]), { code: 'transaction-unsafe', field: 'instructions[0]' });
    }
  });

  test('the same operations on what another signer controls are none', () => {
    const effects = parse([
      SystemProgram.assign({ accountPubkey: THEM.publicKey, programId: UNKNOWN }),
      SystemProgram.nonceAuthorize({ ...nonce, authorizedPubkey: THEM.publicKey }),
      instruction(TOKEN, [6, 2, 1, ...ATTACKER.toBytes()], THEIR_TOKENS, THEM.publicKey),
    ]);
    assert.deepEqual([effects.takeovers, effects.unresolved], [[], []]);
  });
});

describe('Token programs', () => {
  const checked = (amount: bigint, destination: PublicKey, program = TOKEN, source = OUR_TOKENS) =>
    instruction(program, [12, ...u64(amount), 6], source, MINT, destination, US.publicKey);
  const createFor = (
    owner: PublicKey,
    payer = US.publicKey,
    program = TOKEN,
    discriminator: number[] = [1],
  ) =>
    instruction(
      ASSOCIATED,
      discriminator,
      payer,
      associated(owner, MINT, program),
      owner,
      MINT,
      SystemProgram.programId,
      program,
    );
  const asset = `solana/token:${MINT.toBase58()}`;

  test('derives associated token accounts as web3.js does', () => {
    for (let i = 1; i <= 40; i++) {
      for (const program of [TOKEN, TOKEN_2022]) {
        const expected = associated(key(i), key(i + 100), program).toBase58();
        assert.equal(
          associatedTokenAddress(key(i).toBase58(), key(i + 100).toBase58(), program.toBase58()),
          expected,
        );
      }
    }
  });

  test('names the owner of the recipient when the transaction makes the account, else the account', () => {
    const made = parse([createFor(THEM.publicKey), checked(5n, THEIR_TOKENS)]);
    assert.deepEqual(made.outflows, [
      { asset: SOL, amount: 2_039_280n, from: ours, to: THEM.publicKey.toBase58(), kind: 'rent' },
      { asset, amount: 5n, from: OUR_TOKENS.toBase58(), to: THEM.publicKey.toBase58(), kind: 'transfer' },
    ]);
    assert.deepEqual(made.unresolved, []);
    assert.equal(parse([checked(5n, THEIR_TOKENS)]).outflows[0]!.to, THEIR_TOKENS.toBase58());
    const after = parse([checked(5n, THEIR_TOKENS), createFor(THEM.publicKey)]);
    assert.equal(after.outflows[0]!.to, THEIR_TOKENS.toBase58(), 'made only after the transfer');
    assert.equal(parse([checked(5n, OUR_TOKENS, TOKEN, key(60))]).outflows[0]!.to, ours);
    assert.deepEqual(parse([createFor(THEM.publicKey, US.publicKey, TOKEN, [])]).unresolved, []);
  });

  test('does not believe an associated account that does not derive from its owner', () => {
    const lie = instruction(
      ASSOCIATED,
      [1],
      US.publicKey,
      associated(ATTACKER),
      THEM.publicKey,
      MINT,
      SystemProgram.programId,
      TOKEN,
    );
    const effects = parse([lie, checked(5n, associated(ATTACKER))]);
    assert.deepEqual(kinds(effects), ['derived-address-mismatch']);
    assert.equal(effects.outflows[1]!.to, associated(ATTACKER).toBase58());
  });

  test('forgets the owner of a new account whose authority is changed before the transfer', () => {
    const change = instruction(TOKEN, [6, 2, 1, ...ATTACKER.toBytes()], THEIR_TOKENS, THEM.publicKey);
    const effects = parse([createFor(THEM.publicKey), change, checked(5n, THEIR_TOKENS)]);
    assert.equal(effects.outflows[1]!.to, THEIR_TOKENS.toBase58());
  });

  test('a plain transfer does not name its mint', () => {
    const transfer = instruction(TOKEN, [3, ...u64(9n)], OUR_TOKENS, THEIR_TOKENS, US.publicKey);
    const effects = parse([transfer]);
    assert.deepEqual(kinds(effects), ['token-mint-unknown']);
    assert.equal(effects.outflows[0]!.amount, 9n);
    const known = parse([createFor(THEM.publicKey), transfer]);
    assert.deepEqual([kinds(known), known.outflows[1]!.asset], [[], asset]);
  });

  test('counts a transfer with a Token-2022 fee, and doubts one that passes accounts to a hook', () => {
    const fee = [26, 1, ...u64(8n), 6, ...u64(1n)];
    const accounts = [OUR_TOKENS, MINT, THEIR_TOKENS, US.publicKey] as const;
    const effects = parse([instruction(TOKEN_2022, fee, ...accounts)]);
    const amounts = ({ outflows }: ReturnType<typeof parse>) =>
      outflows.map(({ amount, to }) => [amount, to]);
    assert.deepEqual(amounts(effects), [
      [7n, THEIR_TOKENS.toBase58()],
      [1n, null],
    ]);
    assert.deepEqual(kinds(effects), []);
    // A fee above the amount makes the transfer fail: nothing more than the amount leaves.
    const dear = parse([instruction(TOKEN_2022, [26, 1, ...u64(8n), 6, ...u64(9n)], ...accounts)]);
    assert.deepEqual(amounts(dear), [
      [0n, THEIR_TOKENS.toBase58()],
      [8n, null],
    ]);
    const hooked = parse([instruction(TOKEN_2022, [12, ...u64(8n), 6], ...accounts, UNKNOWN)]);
    assert.deepEqual(kinds(hooked), ['transfer-hook']);
    assert.deepEqual(kinds(parse([instruction(TOKEN, fee, ...accounts)])), ['unknown-instruction']);
  });

  test('counts the multisignature authority that we co-sign for', () => {
    const multi = instruction(
      TOKEN,
      [12, ...u64(8n), 6],
      key(80),
      MINT,
      THEIR_TOKENS,
      key(81),
      THEM.publicKey,
      US.publicKey,
    );
    assert.equal(parse([multi]).outflows[0]!.amount, 8n);
  });

  test('E9: an allowance is a grant of its whole amount', () => {
    const approve = instruction(TOKEN, [13, ...u64(77n), 6], OUR_TOKENS, MINT, ATTACKER, US.publicKey);
    const grant = { kind: 'delegate', spender: ATTACKER.toBase58(), asset, amount: 77n, expires: null };
    assert.deepEqual(parse([approve]).grants, [grant]);
    const all = instruction(TOKEN, [4, ...u64(2n ** 64n - 1n)], OUR_TOKENS, ATTACKER, US.publicKey);
    const effects = parse([all]);
    assert.equal(effects.grants[0]!.amount, 'unbounded');
    assert.deepEqual(kinds(effects), ['token-mint-unknown']);
    assert.deepEqual(parse([instruction(TOKEN, [5], OUR_TOKENS, US.publicKey)]).unresolved, []);
  });

  test('E11: closing an account sweeps it, unless to ourselves', () => {
    for (const [data, amount] of [
      [[9], 'unbounded'],
      [[38], 'unbounded'],
      [[45, 0], 'unbounded'],
      [[45, 1, ...u64(6n)], 6n],
    ] as const) {
      const sweep = (to: PublicKey) => parse([instruction(TOKEN, [...data], OUR_TOKENS, to, US.publicKey)]);
      const expected = {
        asset: SOL,
        amount,
        from: OUR_TOKENS.toBase58(),
        to: ATTACKER.toBase58(),
        kind: 'transfer',
      };
      assert.deepEqual(sweep(ATTACKER).outflows, [expected]);
      assert.deepEqual([sweep(US.publicKey).outflows, sweep(US.publicKey).unresolved], [[], []]);
    }
  });

  test('counts burned and minted tokens', () => {
    const effects = parse([
      instruction(TOKEN, [8, ...u64(1n)], OUR_TOKENS, MINT, US.publicKey),
      instruction(TOKEN, [15, ...u64(2n), 6], OUR_TOKENS, MINT, US.publicKey),
      instruction(TOKEN, [7, ...u64(3n)], MINT, THEIR_TOKENS, US.publicKey),
      instruction(TOKEN, [14, ...u64(4n), 6], MINT, THEIR_TOKENS, US.publicKey),
    ]);
    assert.deepEqual(
      effects.outflows.map((each) => [each.amount, each.kind, each.asset]),
      [
        [1n, 'burn', asset],
        [2n, 'burn', asset],
        [3n, 'other', asset],
        [4n, 'other', asset],
      ],
    );
    assert.deepEqual(effects.unresolved, []);
  });

  test('wrapping SOL into the account derived from our key is a transfer to ourselves', () => {
    const mint = new PublicKey(WRAPPED_SOL_MINT);
    const wrapped = associated(US.publicKey, mint);
    const transfer = (toPubkey: PublicKey) =>
      SystemProgram.transfer({ fromPubkey: US.publicKey, toPubkey, lamports: 3 });
    const sync = (account: PublicKey) => instruction(TOKEN, [17], account);
    assert.equal(parse([transfer(wrapped), sync(wrapped)]).outflows[0]!.to, ours);
    const theirs = associated(THEM.publicKey, mint);
    assert.equal(parse([transfer(theirs), sync(theirs)]).outflows[0]!.to, theirs.toBase58());
  });

  test('E8: a batch hides nothing', () => {
    const inner = (accounts: number, data: number[]) => [accounts, data.length, ...data];
    const batch = instruction(
      TOKEN,
      [255, ...inner(4, [12, ...u64(5n), 6]), ...inner(3, [9])],
      OUR_TOKENS,
      MINT,
      THEIR_TOKENS,
      US.publicKey,
      OUR_TOKENS,
      ATTACKER,
      US.publicKey,
    );
    const effects = parse([batch]);
    assert.deepEqual(
      effects.outflows.map((each) => each.amount),
      [5n, 'unbounded'],
    );
    assert.deepEqual(effects.unresolved, []);
    const nested = (depth: number): number[] => {
      let data = [9];
      for (let i = 0; i < depth; i++) data = [255, ...inner(3, data)];
      return data;
    };
    const deep = (depth: number) =>
      parse([instruction(TOKEN_2022, nested(depth), OUR_TOKENS, ATTACKER, US.publicKey)]);
    assert.deepEqual([deep(2).outflows.length, kinds(deep(2))], [1, []]);
    assert.deepEqual(kinds(deep(3)), ['batch-too-deep']);
  });

  test('doubts a batch that is empty, too long, cut, or leaves accounts over', () => {
    const accounts = [OUR_TOKENS, ATTACKER, US.publicKey];
    for (const data of [
      [255],
      [255, 3, 5, 9],
      [255, 4, 1, 9],
      [255, 2, 1, 17],
      [255, ...Array.from({ length: 65 }, () => [0, 1, 17]).flat()],
    ]) {
      assert.deepEqual(kinds(parse([instruction(TOKEN, data, ...accounts)])), ['malformed-instruction-data']);
    }
  });

  test('doubts unknown opcodes, extensions, short and trailing data, and missing accounts', () => {
    const accounts = [OUR_TOKENS, MINT, THEIR_TOKENS, US.publicKey];
    const doubts = (data: number[], program = TOKEN, keys = accounts) =>
      kinds(parse([instruction(program, data, ...keys)]));
    for (const opcode of [47, 100, 254]) {
      assert.deepEqual(doubts([opcode, 0], TOKEN_2022), ['unknown-instruction']);
    }
    for (const opcode of [25, 29, 35, 46]) {
      assert.deepEqual(doubts([opcode, 0], TOKEN), ['unknown-instruction']);
    }
    assert.deepEqual(doubts([]), ['unknown-instruction']);
    assert.deepEqual(doubts([26, 6], TOKEN_2022), ['unknown-instruction']);
    assert.deepEqual(doubts([12, ...u64(5n)]), ['malformed-instruction-data']);
    assert.deepEqual(doubts([12, ...u64(5n), 6, 0]), ['trailing-instruction-data']);
    assert.deepEqual(doubts([12, ...u64(5n), 6], TOKEN, accounts.slice(1)), ['missing-accounts']);
    assert.equal(parse([instruction(TOKEN, [12, ...u64(5n), 6, 0], ...accounts)]).outflows.length, 1);
  });

  test('counts more rent for Token-2022 accounts, and none that another pays', () => {
    assert.equal(
      parse([createFor(THEM.publicKey, US.publicKey, TOKEN_2022)]).outflows[0]!.amount,
      2_282_880n,
    );
    assert.deepEqual(parse([createFor(US.publicKey, THEM.publicKey)]).outflows, []);
  });
});

describe('other programs', () => {
  test('a program that is not known is doubted, more so with our signature', () => {
    const effects = parse([instruction(UNKNOWN, [1, 2], US.publicKey), instruction(UNKNOWN, [3], ATTACKER)]);
    assert.deepEqual(
      effects.unresolved.map((each) => [each.kind, each.field]),
      [
        ['unknown-program', 'instructions[0]'],
        ['unknown-program', 'instructions[1]'],
      ],
    );
    assert.deepEqual(
      effects.calls.map((each) => each.arguments.usesSigner),
      ['true', 'false'],
    );
  });

  test('reads memos, and doubts what is no text or too long', () => {
    const memo = (data: Uint8Array, id = 'MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr') =>
      parse([
        new TransactionInstruction({ programId: new PublicKey(id), keys: [], data: Buffer.from(data) }),
      ]);
    const good = memo(Buffer.from('invoice 7 ü'));
    assert.deepEqual([good.calls[0]!.arguments.text, good.unresolved], ['invoice 7 ü', []]);
    assert.deepEqual(kinds(memo(Uint8Array.of(0xff))), ['malformed-instruction-data']);
    assert.deepEqual(kinds(memo(new Uint8Array(1001).fill(65))), ['malformed-instruction-data']);
    assert.deepEqual(memo(Uint8Array.of(65), 'Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo').unresolved, []);
  });

  test('stake: withdrawal is an outflow; delegation, splitting and merging keep control', () => {
    const common = { stakePubkey: UNKNOWN, authorizedPubkey: US.publicKey };
    const effects = parse([
      ...StakeProgram.delegate({ ...common, votePubkey: ATTACKER }).instructions,
      ...StakeProgram.deactivate(common).instructions,
      ...StakeProgram.merge({
        stakePubkey: UNKNOWN,
        sourceStakePubKey: key(90),
        authorizedPubkey: US.publicKey,
      }).instructions,
      StakeProgram.split({ ...common, splitStakePubkey: key(91), lamports: 4 }, 0).instructions.at(-1)!,
      ...StakeProgram.withdraw({ ...common, toPubkey: ATTACKER, lamports: 11 }).instructions,
    ]);
    assert.deepEqual(effects.unresolved, []);
    assert.deepEqual(effects.takeovers, []);
    assert.deepEqual(effects.outflows, [
      { asset: SOL, amount: 11n, from: UNKNOWN.toBase58(), to: ATTACKER.toBase58(), kind: 'transfer' },
    ]);
    const created = parse(
      StakeProgram.createAccount({
        fromPubkey: US.publicKey,
        stakePubkey: THEM.publicKey,
        authorized: new Authorized(US.publicKey, US.publicKey),
        lockup: new Lockup(0, 0, PublicKey.default),
        lamports: 12,
      }).instructions,
    );
    assert.deepEqual([created.outflows[0]!.amount, created.unresolved], [12n, []]);
  });

  test('E6: a recipient in a lookup table is doubted and not named', () => {
    const table = new AddressLookupTableAccount({
      key: key(50),
      state: {
        deactivationSlot: 2n ** 64n - 1n,
        lastExtendedSlot: 0,
        lastExtendedSlotStartIndex: 0,
        addresses: [ATTACKER, THEIR_TOKENS],
      },
    });
    const effects = parse(
      [
        SystemProgram.transfer({ fromPubkey: US.publicKey, toPubkey: ATTACKER, lamports: 5 }),
        instruction(TOKEN, [12, ...u64(5n), 6], OUR_TOKENS, MINT, THEIR_TOKENS, US.publicKey),
      ],
      { tables: [table] },
    );
    assert.equal(effects.version, 'v0');
    assert.deepEqual(
      effects.unresolved.map((each) => [each.kind, each.field]),
      [
        ['lookup-table', 'instructions[0].accounts[1]'],
        ['lookup-table', 'instructions[1].accounts[2]'],
      ],
    );
    assert.deepEqual(
      effects.outflows.map((each) => [each.amount, each.to]),
      [
        [5n, null],
        [5n, null],
      ],
    );
  });
});

test('mutated instruction data never raises anything but ChainError', () => {
  const accounts = [OUR_TOKENS, MINT, THEIR_TOKENS, US.publicKey, UNKNOWN, ATTACKER];
  const programs = [SystemProgram.programId, TOKEN, TOKEN_2022, ASSOCIATED, StakeProgram.programId];
  programs.push(ComputeBudgetProgram.programId, Ed25519Program.programId);
  fc.assert(
    fc.property(
      fc.constantFrom(...programs),
      fc.oneof(fc.nat(50), fc.constant(255)),
      fc.uint8Array({ maxLength: 120 }),
      fc.shuffledSubarray(accounts),
      (program, opcode, rest, keys) => {
        const wide = program.equals(SystemProgram.programId) || program.equals(StakeProgram.programId);
        const data = [opcode, ...(wide ? [0, 0, 0] : []), ...rest];
        try {
          const effects = parse([instruction(program, data, ...keys)]);
          assert.ok(effects.calls.length > 0);
        } catch (error) {
          if (!(error instanceof ChainError)) throw error;
        }
      },
    ),
    { numRuns: 2000, seed: 77002 },
  );
});
