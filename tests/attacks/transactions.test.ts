/**
 * Transactions that lie, and ways around a policy (rows E). What the decoders refuse is a ChainError; what only a rule
 * that names it may let pass is unresolved, a takeover or unbounded. Every row has a control that passes. Parts of rows
 * that concern chains which are not served (BCH, XRP, Stellar, Tron, Algorand, TON) are not covered.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { address as bitcoinAddress, ownScript } from '@keystead/chains/bitcoin/address';
import { decodePsbt, encodePsbt, INPUT, OUTPUT } from '@keystead/chains/bitcoin/psbt';
import type { PsbtRecord } from '@keystead/chains/bitcoin/psbt-map';
import type { ParseContext, SigningAccount } from '@keystead/chains/chain';
import type { ChainName, Effects } from '@keystead/chains/effects';
import { ChainError } from '@keystead/chains/error';
import { decodeRlp, encodeRlp, type RlpItem } from '@keystead/chains/ethereum/rlp';
import { encodeCallData } from '@keystead/chains/ethereum/selector';
import { encodeUnsignedTransaction } from '@keystead/chains/ethereum/transaction';
import { hashTypedData } from '@keystead/chains/ethereum/typed-data';
import { chainFor, infer, looksLikeTransactionOfCurve } from '@keystead/chains/registry';
import { accountOf, readCases } from '@keystead/chains/testing/effects-cases';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode } from '@keystead/crypto/hex';
import { keccak256 } from '@keystead/crypto/keccak256';
import { sha256 } from '@keystead/crypto/sha256';
import {
  Keypair,
  PublicKey,
  SystemProgram,
  TransactionInstruction,
  TransactionMessage,
} from '@solana/web3.js';
import { Interface } from 'ethers';

const CASES = readCases();
const sampleOf = (name: string) => {
  const found = CASES.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no case is called ${name}`);
  return { account: accountOf(found), bytes: hexDecode(found.bytes), chain: found.chain };
};
const parse = (bytes: Uint8Array, account: SigningAccount, context?: ParseContext): Effects =>
  chainFor(account.addressFormat).parseTransaction(bytes, account, context).effects;

/** What a rule would have to name before these effects could pass. */
function needsRule({ unresolved, takeovers, outflows, grants }: Effects): string[] {
  return [
    ...unresolved.map(({ kind }) => kind),
    ...takeovers.map(({ kind }) => `takeover ${kind}`),
    ...[...outflows, ...grants].flatMap(({ amount }) => (amount === 'unbounded' ? ['unbounded'] : [])),
  ];
}

const refused = (bytes: Uint8Array, account: SigningAccount, code: string): void => {
  assert.throws(
    () => parse(bytes, account),
    (error) => error instanceof ChainError && error.code === code,
  );
};
const sumOf = (effects: Effects): bigint =>
  [...effects.outflows, ...effects.grants].reduce(
    (sum, { amount }) => sum + (amount === 'unbounded' ? 0n : amount),
    0n,
  );

const ETHEREUM = sampleOf('ethereum: a transfer');
const own = ETHEREUM.account.address;
const OTHER = `0x${'22'.repeat(20)}`;
const TOKEN = `0x${'33'.repeat(20)}`;
const bytesOf = (address: string) => hexDecode(address.slice(2));

function ethereum(more: Partial<Parameters<typeof encodeUnsignedTransaction>[0]> = {}): Uint8Array {
  return encodeUnsignedTransaction({
    version: 'eip1559',
    chainId: 1n,
    nonce: 7n,
    maxPriorityFeePerGas: 1n,
    maxFeePerGas: 10n,
    gasLimit: 100_000n,
    to: bytesOf(TOKEN),
    value: 0n,
    data: new Uint8Array(0),
    accessList: [],
    authorizationList: [],
    ...more,
  });
}

const SOLANA = sampleOf('solana: a transfer, legacy message');
const US = new PublicKey(SOLANA.account.publicKey);
const THEM = Keypair.fromSeed(new Uint8Array(32).fill(2)).publicKey;
const key = (fill: number) => new PublicKey(new Uint8Array(32).fill(fill));
const TOKENS = new PublicKey('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA');
const u64 = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, 0, 0, 0, 0, 0];
const call = (programId: PublicKey, data: readonly number[], ...keys: PublicKey[]) =>
  new TransactionInstruction({
    programId,
    data: Buffer.from(data),
    keys: keys.map((pubkey) => ({ pubkey, isSigner: pubkey.equals(US), isWritable: true })),
  });
const solana = (...instructions: TransactionInstruction[]): Uint8Array =>
  Uint8Array.from(
    new TransactionMessage({ payerKey: US, recentBlockhash: key(9).toBase58(), instructions })
      .compileToV0Message()
      .serialize(),
  );

const BITCOIN = sampleOf('bitcoin: a payment with change');
const SUI = sampleOf('sui: a transfer');

describe('encodings', () => {
  it('E1: refuses other encodings of the same Solana, EVM, Bitcoin or Sui transaction: padding, long lengths, leading zeros', () => {
    for (const { account, bytes } of [ETHEREUM, SOLANA, BITCOIN, SUI]) {
      parse(bytes, account);
      for (const padding of [Uint8Array.of(0), new Uint8Array(32), bytes]) {
        refused(concatBytes(bytes, padding), account, 'transaction-malformed');
      }
    }
    // RLP: the list in long form, an integer with a zero before it.
    const fields = decodeRlp(ETHEREUM.bytes.subarray(1)) as readonly RlpItem[];
    const list = encodeRlp(fields);
    assert.ok(list.length < 57);
    const { account } = ETHEREUM;
    refused(
      Uint8Array.from([2, 0xf8, list.length - 1, ...list.subarray(1)]),
      account,
      'transaction-malformed',
    );
    const nonce = encodeRlp(fields.with(1, Uint8Array.of(0, 7)));
    refused(concatBytes(Uint8Array.of(2), nonce), account, 'transaction-malformed');
    // Compact-u16 with a needless byte: the number of accounts of a Solana message stands at 3.
    const count = SOLANA.bytes[3]!;
    const long = [...SOLANA.bytes.subarray(0, 3), count | 0x80, 0, ...SOLANA.bytes.subarray(4)];
    refused(Uint8Array.from(long), SOLANA.account, 'transaction-malformed');
    // Compact size of three bytes: the length of the unsigned transaction stands at 7.
    const length = BITCOIN.bytes[7]!;
    const wide = [...BITCOIN.bytes.subarray(0, 7), 0xfd, length, 0, ...BITCOIN.bytes.subarray(8)];
    refused(Uint8Array.from(wide), BITCOIN.account, 'transaction-malformed');
    // ULEB128 with a needless byte: the number of inputs of Sui TransactionData stands at 2.
    const inputs = SUI.bytes[2]!;
    const uleb = [...SUI.bytes.subarray(0, 2), inputs | 0x80, 0, ...SUI.bytes.subarray(3)];
    refused(Uint8Array.from(uleb), SUI.account, 'transaction-malformed');
  });

  it('E2: a message that is a Solana, EVM, Bitcoin or Sui transaction, an authorisation, a digest or a typed-data preimage is seen as one', () => {
    for (const each of CASES) {
      const { curve } = chainFor(each.account.addressFormat);
      assert.ok(looksLikeTransactionOfCurve(hexDecode(each.bytes), curve), each.name);
    }
    const typed = concatBytes(Uint8Array.of(0x19, 0x01), new Uint8Array(64).fill(3));
    const digests = [keccak256(ETHEREUM.bytes), sha256(BITCOIN.bytes), typed];
    for (const message of digests) assert.ok(looksLikeTransactionOfCurve(message, 'Secp256k1'));
    for (const text of [
      'hello',
      'example.org wants you to sign in with your Ethereum account:\n0x',
      '{"a":1}',
    ]) {
      for (const curve of ['Ed25519', 'Secp256k1'] as const) {
        assert.ok(!looksLikeTransactionOfCurve(utf8Encode(text), curve), text);
      }
    }
  });

  it('E3: refuses every other spelling of a path, and an address that is not that of the key', () => {
    assert.equal(infer("m/44'/501'/0'/0'").addressFormat, 'Solana');
    for (const path of [
      'm/44h/501h/0h',
      'm/44’/501’/0’',
      "m/ 44'/501'/0'",
      "m/+44'/501'/0'",
      "m/0x2c'/501'/0'",
      "m/44'/501'/4294967296'",
      "m/44'/501'/2147483648'",
      "m/044'/501'/0'",
      "M/44'/501'/0'",
      "m/44'/501'/0",
      'm/0',
    ]) {
      assert.throws(() => infer(path), ChainError, path);
    }
    for (const { account, bytes } of [ETHEREUM, BITCOIN]) {
      const [other] = CASES.filter((each) => each.account.addressFormat === account.addressFormat);
      const lie = { ...account, publicKey: accountOf(other!).publicKey.with(32, 9) };
      assert.throws(() => parse(bytes, lie));
    }
  });

  it('E4: refuses what is valid on more EVM networks than one, doubts typed data that names none, and knows the network of a Bitcoin account by its address', () => {
    const { account } = ETHEREUM;
    const legacy = encodeRlp([
      Uint8Array.of(7),
      Uint8Array.of(10),
      Uint8Array.of(0x52, 0x08),
      bytesOf(OTHER),
      Uint8Array.of(1),
      new Uint8Array(0),
    ]);
    refused(legacy, account, 'transaction-unsafe');
    const authorization = (chain: number) =>
      concatBytes(
        Uint8Array.of(5),
        encodeRlp([chain === 0 ? new Uint8Array(0) : Uint8Array.of(chain), bytesOf(OTHER), Uint8Array.of(1)]),
      );
    refused(authorization(0), account, 'transaction-unsafe');
    assert.equal(parse(authorization(1), account).network, 'eip155:1');
    const permit = (domain: Record<string, unknown>) =>
      hashTypedData({
        types: {
          Permit: [
            'address owner',
            'address spender',
            'uint256 value',
            'uint256 nonce',
            'uint256 deadline',
          ].map((field) => ({ type: field.split(' ')[0]!, name: field.split(' ')[1]! })),
        },
        primaryType: 'Permit',
        domain,
        message: { owner: own, spender: OTHER, value: 5, nonce: 0, deadline: 9 },
      }).effects;
    assert.deepEqual(needsRule(permit({ chainId: 1, verifyingContract: TOKEN })), []);
    for (const domain of [
      { verifyingContract: TOKEN },
      { chainId: 0, verifyingContract: TOKEN },
      { chainId: 1 },
    ]) {
      assert.ok(needsRule(permit(domain)).includes('typed-data-unbound'), JSON.stringify(domain));
    }
    // Bitcoin's bytes name no network: the address of the account does, and another one's is not that of the key.
    const testnet = {
      ...BITCOIN.account,
      address: bitcoinAddress(BITCOIN.account.publicKey, 'BitcoinSegwit', 'testnet'),
    };
    assert.notEqual(
      parse(BITCOIN.bytes, testnet).maxFee!.asset,
      parse(BITCOIN.bytes, BITCOIN.account).maxFee!.asset,
    );
  });

  it('E5: refuses open hash types and unproven amounts of Bitcoin inputs; a label makes no change', () => {
    const { account, bytes } = BITCOIN;
    assert.deepEqual(needsRule(parse(bytes, account)), []);
    const psbt = decodePsbt(bytes);
    const withRecord = (record: PsbtRecord) =>
      encodePsbt({ ...psbt, inputs: [[...psbt.inputs[0]!, record]] });
    const hashType = (type: number) =>
      withRecord({
        type: INPUT.SIGHASH_TYPE,
        keyData: new Uint8Array(0),
        value: Uint8Array.of(type, 0, 0, 0),
      });
    parse(hashType(0x01), account);
    for (const type of [0x00, 0x02, 0x03, 0x81, 0x82, 0x83])
      refused(hashType(type), account, 'transaction-unsafe');
    const claimed = encodePsbt({
      ...psbt,
      inputs: [psbt.inputs[0]!.filter(({ type }) => type !== INPUT.NON_WITNESS_UTXO)],
    });
    refused(claimed, account, 'transaction-unsafe');
    // The stranger's output says that it is ours: it leaves all the same.
    const path = new Uint8Array(24);
    const label: PsbtRecord = { type: OUTPUT.BIP32_DERIVATION, keyData: account.publicKey, value: path };
    const labelled = encodePsbt({ ...psbt, outputs: [[label], psbt.outputs[1]!] });
    const accountKey = {
      path: "m/84'/0'/0'",
      publicKey: account.publicKey,
      chainCode: new Uint8Array(32),
      highestUsed: [0, 0],
    } as const;
    const leaving = (given: Uint8Array, context?: ParseContext) =>
      parse(given, account, context).outflows.map(({ amount }) => amount);
    assert.deepEqual(leaving(labelled, { accountKey }), leaving(bytes));
    assert.ok(ownScript(account.publicKey, 'BitcoinSegwit').length === 22);
  });
});

describe('what only trusted statements could show', () => {
  it('E6: a recipient in a Solana lookup table is doubted unless its contents are stated', () => {
    const { account, bytes } = sampleOf('solana: a recipient in a lookup table');
    assert.deepEqual(needsRule(parse(bytes, account)), ['lookup-table']);
    const lookupTables = new Map([[key(50).toBase58(), [key(51).toBase58(), THEM.toBase58()]]]);
    const stated = parse(bytes, account, { lookupTables });
    assert.deepEqual([needsRule(stated), stated.outflows[0]!.to], [[], THEM.toBase58()]);
    // The same signature covers both: what is stated changes what is decided, never what is signed.
    const chain = chainFor('Solana');
    assert.deepEqual(
      chain.parseTransaction(bytes, account, { lookupTables }).signingInputs,
      chain.parseTransaction(bytes, account).signingInputs,
    );
  });

  it('E7: decimals that the bytes of a Solana transfer claim change no amount', () => {
    const transfer = (decimals: number) =>
      parse(solana(call(TOKENS, [12, ...u64(500), decimals], key(70), key(60), key(71), US)), SOLANA.account);
    for (const decimals of [0, 6, 18, 255]) {
      assert.deepEqual(transfer(decimals).outflows, transfer(6).outflows);
    }
    assert.notDeepEqual(
      parse(solana(call(TOKENS, [12, ...u64(501), 6], key(70), key(60), key(71), US)), SOLANA.account)
        .outflows,
      transfer(6).outflows,
    );
  });
});

describe('calls, approvals, takeovers, sweeps', () => {
  const transfer = encodeCallData('transfer(address,uint256)', [OTHER, 5n]);

  it('E8: nothing hides inside other calls, on Solana or an EVM network, and too many of them are refused', () => {
    const multicall = (...inner: Uint8Array[]) => encodeCallData('multicall(bytes[])', [inner]);
    const { account } = ETHEREUM;
    const nested = parse(ethereum({ data: multicall(transfer, multicall(transfer)) }), account);
    assert.deepEqual([sumOf(nested), needsRule(nested)], [10n, []]);
    const unknown = parse(ethereum({ data: multicall(transfer, hexDecode('deadbeef')) }), account);
    assert.deepEqual(needsRule(unknown), ['unknown-call']);
    let deep = transfer;
    for (let depth = 0; depth < 5; depth++) deep = multicall(deep);
    refused(ethereum({ data: deep }), account, 'transaction-too-complex');
    const many = multicall(...Array.from({ length: 65 }, () => transfer));
    refused(ethereum({ data: many }), account, 'transaction-too-complex');
    const batch = parse(
      solana(
        call(
          TOKENS,
          [255, 4, 10, 12, ...u64(5), 6, 3, 1, 9],
          key(70),
          key(60),
          key(71),
          US,
          key(70),
          THEM,
          US,
        ),
      ),
      SOLANA.account,
    );
    assert.deepEqual([sumOf(batch), needsRule(batch)], [5n, ['unbounded']]);
    const program = parse(solana(call(key(73), [1], US)), SOLANA.account);
    assert.deepEqual(needsRule(program), ['unknown-program']);
  });

  it('E8: value counts as that of the EVM contract that is sent it, whoever the data says that it is for', () => {
    const { account } = ETHEREUM;
    const named = new Interface([
      'function aggregate3Value((address target,bool allowFailure,uint256 value,bytes callData)[] calls)',
    ]).encodeFunctionData('aggregate3Value', [[[own, false, 1000n, '0x']]]);
    const data = hexDecode(named.slice(2));
    const sends = (contract: string) =>
      parse(ethereum({ to: bytesOf(contract), value: 1000n, data }), account).outflows.map(
        ({ to, amount }) => [to, amount],
      );
    assert.deepEqual(sends(OTHER), [
      [OTHER, 1000n],
      [own, 1000n],
    ]);
    const multicall3 = '0xcA11bde05977b3631167028862bE2a173976CA11';
    assert.deepEqual(sends(multicall3), [
      [multicall3, 0n],
      [own, 1000n],
    ]);
  });

  it('E9: a figure of zero is an EVM token all the same where it may be the id of one', () => {
    const { account } = ETHEREUM;
    const sum = (...[signature, values]: Parameters<typeof encodeCallData>) =>
      sumOf(parse(ethereum({ data: encodeCallData(signature, values) }), account));
    for (const id of [0n, 1n]) {
      assert.equal(sum('transferFrom(address,address,uint256)', [own, OTHER, id]), 1n);
      assert.equal(sum('approve(address,uint256)', [OTHER, id]), 1n);
      assert.equal(sum('burn(uint256)', [id]), 1n);
    }
    // The control: of a function that only ERC-20 has, nothing is nothing.
    assert.equal(sum('decreaseAllowance(address,uint256)', [OTHER, 0n]), 0n);
  });

  it('E9: an approval on Solana or an EVM network counts like a payment of its whole amount, and one without an end needs a rule', () => {
    const { account } = ETHEREUM;
    const approve = (amount: bigint) =>
      parse(ethereum({ data: encodeCallData('approve(address,uint256)', [OTHER, amount]) }), account);
    assert.deepEqual([sumOf(approve(1000n)), needsRule(approve(1000n))], [1000n, []]);
    assert.deepEqual(needsRule(approve(2n ** 256n - 1n)), ['unbounded']);
    const all = encodeCallData('setApprovalForAll(address,bool)', [OTHER, true]);
    assert.deepEqual(needsRule(parse(ethereum({ data: all }), account)), ['unbounded']);
    const revoke = encodeCallData('setApprovalForAll(address,bool)', [OTHER, false]);
    assert.deepEqual(needsRule(parse(ethereum({ data: revoke }), account)), []);
    const tokens = parse(
      solana(call(TOKENS, [13, ...u64(77), 6], key(70), key(60), THEM, US)),
      SOLANA.account,
    );
    assert.deepEqual([sumOf(tokens), needsRule(tokens)], [77n, []]);
  });

  const takeovers: readonly [
    name: string,
    control: Uint8Array,
    attack: Uint8Array,
    account: SigningAccount,
  ][] = [
    [
      'an owner of a token account',
      solana(call(TOKENS, [6, 2, 1, ...US.toBytes()], key(70), US)),
      solana(call(TOKENS, [6, 2, 1, ...THEM.toBytes()], key(70), US)),
      SOLANA.account,
    ],
    [
      'the authority of a nonce account',
      solana(
        SystemProgram.nonceAuthorize({
          noncePubkey: key(70),
          authorizedPubkey: THEM,
          newAuthorizedPubkey: key(3),
        }),
        SystemProgram.transfer({ fromPubkey: US, toPubkey: THEM, lamports: 1 }),
      ),
      solana(
        SystemProgram.nonceAuthorize({
          noncePubkey: key(70),
          authorizedPubkey: US,
          newAuthorizedPubkey: THEM,
        }),
      ),
      SOLANA.account,
    ],
    [
      'the withdrawer of a stake',
      solana(
        call(
          new PublicKey('Stake11111111111111111111111111111111111111'),
          [5, 0, 0, 0],
          key(70),
          key(71),
          US,
        ),
      ),
      solana(
        call(
          new PublicKey('Stake11111111111111111111111111111111111111'),
          [1, 0, 0, 0, ...THEM.toBytes(), 1, 0, 0, 0],
          key(70),
          key(71),
          US,
        ),
      ),
      SOLANA.account,
    ],
    [
      'an owner of a Safe',
      ethereum({ data: encodeCallData('disableModule(address,address)', [OTHER, OTHER]) }),
      ethereum({ data: encodeCallData('addOwnerWithThreshold(address,uint256)', [OTHER, 1n]) }),
      ETHEREUM.account,
    ],
    [
      'the code of an account',
      concatBytes(Uint8Array.of(5), encodeRlp([Uint8Array.of(1), new Uint8Array(20), Uint8Array.of(8)])),
      concatBytes(Uint8Array.of(5), encodeRlp([Uint8Array.of(1), bytesOf(OTHER), Uint8Array.of(8)])),
      ETHEREUM.account,
    ],
  ];
  it('E10: every operation of a Solana or EVM account that hands over control is a takeover, and its harmless likeness is none', () => {
    for (const [name, control, attack, account] of takeovers) {
      assert.deepEqual(needsRule(parse(control, account)), [], name);
      assert.match(needsRule(parse(attack, account)).join(), /^takeover /, name);
    }
    refused(
      solana(SystemProgram.assign({ accountPubkey: US, programId: THEM })),
      SOLANA.account,
      'transaction-unsafe',
    );
  });

  it('E11: what sweeps a Solana or Sui account has no bound, unless it comes back to us', () => {
    for (const data of [[9], [38], [45, 0]]) {
      const sweep = (to: PublicKey) => parse(solana(call(TOKENS, data, key(70), to, US)), SOLANA.account);
      assert.deepEqual([needsRule(sweep(THEM)), needsRule(sweep(US))], [['unbounded'], []]);
    }
    const gas = sampleOf('sui: merged coins and an object');
    assert.ok(needsRule(parse(gas.bytes, gas.account)).includes('unbounded'));
    assert.deepEqual(needsRule(parse(SUI.bytes, SUI.account)), []);
  });

  it('E12: fees count: priority fees on Solana, gas prices and refunds on EVM networks, Bitcoin’s fee, Sui’s gas budget', () => {
    const price = (microLamports: number) => {
      const data = [3, ...u64(microLamports)];
      const budget = call(new PublicKey('ComputeBudget111111111111111111111111111111'), data);
      return parse(
        solana(budget, SystemProgram.transfer({ fromPubkey: US, toPubkey: THEM, lamports: 1 })),
        SOLANA.account,
      ).maxFee!.amount;
    };
    assert.equal(price(0), 5_000n);
    assert.ok(price(16_000_000) > 3_000_000n);
    const { account } = ETHEREUM;
    assert.equal(parse(ethereum(), account).maxFee!.amount, 1_000_000n);
    assert.equal(parse(ethereum({ maxFeePerGas: 10n ** 18n }), account).maxFee!.amount, 10n ** 23n);
    const exec = (gasPrice: bigint) =>
      encodeCallData(
        'execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)',
        [OTHER, 0n, new Uint8Array(0), 0n, 0n, 0n, gasPrice, TOKEN, OTHER, new Uint8Array(0)],
      );
    assert.equal(sumOf(parse(ethereum({ data: exec(0n) }), account)), 0n);
    assert.ok(sumOf(parse(ethereum({ data: exec(10n ** 12n) }), account)) > 10n ** 17n);
    const fee = parse(BITCOIN.bytes, BITCOIN.account);
    assert.deepEqual([fee.maxFee!.amount, fee.calls.at(-1)!.arguments.fee], [1_000n, '1000']);
    assert.equal(parse(SUI.bytes, SUI.account).maxFee!.amount, 5_000_000n);
  });

  it('E19: a Solana transaction that never expires needs a rule, and what it depends on is named', () => {
    const { account, bytes } = sampleOf('solana: a durable nonce');
    const effects = parse(bytes, account);
    assert.deepEqual(needsRule(effects), ['durable-nonce']);
    assert.equal(effects.unresolved[0]!.subject, key(70).toBase58());
    assert.equal(effects.validity.uniqueness, 'durable-nonce');
    const usual = parse(SOLANA.bytes, account);
    assert.deepEqual([needsRule(usual), usual.validity.uniqueness], [[], 'blockhash']);
  });
});

describe('the table itself', () => {
  it('every case of the vectors is of a chain that is served, and each chain has some', () => {
    const chains: readonly ChainName[] = ['solana', 'ethereum', 'bitcoin', 'sui'];
    for (const chain of chains) assert.ok(CASES.some((each) => each.chain === chain));
  });
});
