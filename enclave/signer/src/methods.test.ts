import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import * as hpke from '@keystead/crypto/hpke';
import { formatUuid, walletIdOf } from '@keystead/protocol/ids';
import { defaultAccounts } from '@keystead/protocol/parameters/derivation';
import { parseRequest, type ParsedRequest } from '@keystead/protocol/request';
import { signedBytesDigest } from '@keystead/protocol/signed-bytes';
import { isSigning, signingRequest } from '@keystead/protocol/signing';
import { openExport, sealImport } from '@keystead/protocol/transport';
import { PublicKey, SystemProgram, Transaction as SolanaTransaction } from '@solana/web3.js';
import {
  computeAddress,
  Transaction as EthereumTransaction,
  HDNodeWallet,
  Mnemonic,
  verifyMessage,
  verifyTypedData,
} from 'ethers';
import nacl from 'tweetnacl';
import { type BenchAccount, type BenchWallet, type Call, SignerBench } from '../testing/signer-bench.ts';

/** The digest as the policy engine computes it: from its own parse and the accounts that were told. */
function digestOf(call: Call, account: BenchAccount): Uint8Array {
  const surface = call.raw.surface === 1 ? 'native' : 'compatibility';
  const request: ParsedRequest = parseRequest(surface, 'rpc', call.body);
  if (!isSigning(request)) throw new Error('signs nothing');
  const publicKey =
    account.addressFormat === 'Solana'
      ? new PublicKey(account.publicKey).toBytes()
      : hexDecode(account.publicKey);
  const { address, addressFormat, derivationPath = null } = account;
  const signing = { publicKey, address, derivationPath, addressFormat: addressFormat as 'Solana' };
  return signedBytesDigest(signingRequest(request, signing).inputs);
}

function sign(
  bench: SignerBench,
  wallet: BenchWallet,
  format: string,
  method: string,
  params: object,
  surface?: 'compatibility',
) {
  const account = wallet.told.accounts!.find((each) => each.addressFormat === format)!;
  const { derivationPath, curve, addressFormat } = account;
  const derivationInfo = { derivationPath, curve, addressFormat };
  const walletId = formatUuid(wallet.walletId);
  const options = surface === undefined ? {} : { surface };
  const call = bench.call(method, { walletId, derivationInfo, ...params }, options);
  const keyUse = {
    derivationPath: derivationPath!,
    curve,
    addressFormat,
    bytesDigest: digestOf(call, account),
  };
  return { account, answer: bench.use(call, { wallet, keyUse }) };
}

describe('wallets', () => {
  test('a new mnemonic wallet has the four default accounts, told before and after the decision alike', () => {
    const { wallet, answer } = new SignerBench().createWallet({ tags: ['main'] });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.walletId, formatUuid(wallet.walletId));
    assert.equal(answer.body.walletName, 'Treasury');
    assert.deepEqual(answer.body.tags, ['main']);
    assert.equal(answer.body.type, 'MNEMONIC');
    assert.deepEqual(answer.body.accounts, wallet.told.accounts);
    assert.deepEqual(
      wallet.told.accounts!.map(({ derivationPath }) => derivationPath),
      defaultAccounts.map(({ derivationPath }) => derivationPath),
    );
  });

  test('a single key has one account and signs without a path', () => {
    const bench = new SignerBench();
    const { wallet, answer } = bench.createWallet({ curve: 'Ed25519', addressFormat: 'Solana' });
    assert.deepEqual(answer.body.account, wallet.told.account);
    const account = wallet.told.account!;
    const walletId = formatUuid(wallet.walletId);
    const call = bench.call('signUtf8Message', { walletId, message: 'hello', algorithm: 'Ed25519' });
    const { curve, addressFormat } = account;
    const keyUse = { curve, addressFormat, bytesDigest: digestOf(call, account) };
    const { body } = bench.use(call, { wallet, keyUse });
    const signature = base64urlDecode(String(body.signature));
    assert.ok(
      nacl.sign.detached.verify(utf8Encode('hello'), signature, new PublicKey(account.publicKey).toBytes()),
    );
    const read = bench.call('getAccounts', { walletId, accounts: [] });
    assert.deepEqual(bench.use(read, { wallet }).body, [{ ...account }]);
  });

  test('a wallet with a tag is made, and found again with the accounts asked for', () => {
    const bench = new SignerBench();
    const { wallet, answer } = bench.createWallet({ tag: 'savings' }, 'getOrCreateWalletWithTag');
    assert.deepEqual(answer.body.tags, ['savings']);
    const accounts = ["m/44'/501'/7'/0'"];
    const found = bench.use(bench.call('getWalletWithTag', { tag: 'savings', accounts }), {
      wallet,
      display: { walletName: 'Savings', tags: ['savings', 'old'] },
    });
    assert.equal(found.body.walletName, 'Savings');
    assert.deepEqual(found.body.tags, ['savings', 'old']);
    const [account] = found.body.accounts as unknown as BenchAccount[];
    assert.equal(account!.derivationPath, accounts[0]);
    const shown = [{ derivationPath: "m/44'/60'/0'/0/9", curve: 'Secp256k1', addressFormat: 'Ethereum' }];
    const told = bench.use(bench.call('getWalletWithTag', { tag: 'savings' }), {
      wallet,
      display: { accounts: shown },
    });
    assert.equal((told.body.accounts as unknown as BenchAccount[])[0]!.derivationPath, "m/44'/60'/0'/0/9");
  });

  test('accounts of a path that was never derived are told, and answered the same', () => {
    const bench = new SignerBench();
    const { wallet } = bench.createWallet();
    const derivation = {
      derivationPath: "m/44'/60'/0'/0/5",
      curve: 'Secp256k1',
      addressFormat: 'Ethereum',
    } as const;
    const call = bench.call('getAccounts', { walletId: formatUuid(wallet.walletId), accounts: [derivation] });
    bench.hold(call);
    const { walletId, secret, row: sealed } = wallet;
    const made = bench.make(call, walletId, { secret, sealed, paths: [derivation] });
    assert.equal(made.refusal.length, 0);
    assert.equal(made.sealed.length, 0);
    const told = JSON.parse(Buffer.from(made.accounts).toString());
    const { body } = bench.use(call, { wallet, held: true });
    assert.deepEqual(body, told.accounts);
  });
});

describe('signatures', () => {
  const bench = new SignerBench();
  const { wallet } = bench.createWallet();

  test('of a UTF-8 message verify under the address on both surfaces', () => {
    for (const surface of [undefined, 'compatibility'] as const) {
      const params = { message: 'hello', algorithm: 'Ed25519' };
      const { account, answer } = sign(bench, wallet, 'Solana', 'signUtf8Message', params, surface);
      assert.equal(answer.status, 200);
      assert.equal(answer.body.address, account.address);
      assert.equal(answer.body.publicKey, account.address);
      const key = new PublicKey(account.address).toBytes();
      const signature = base64urlDecode(String(answer.body.signature));
      assert.ok(nacl.sign.detached.verify(utf8Encode('hello'), signature, key));
    }
  });

  test('of a raw payload verify', () => {
    const payload = base64urlEncode(utf8Encode('any bytes'));
    const { account, answer } = sign(bench, wallet, 'Solana', 'signRawPayload', {
      payload,
      algorithm: 'Ed25519',
    });
    const signature = base64urlDecode(String(answer.body.signature));
    assert.ok(
      nacl.sign.detached.verify(utf8Encode('any bytes'), signature, new PublicKey(account.address).toBytes()),
    );
  });

  test('of an Ethereum message and typed data recover to the address', () => {
    const message = base64urlEncode(utf8Encode('sign in'));
    const personal = sign(bench, wallet, 'Ethereum', 'ethereumSignMessage', { message });
    const signature = `0x${hexEncode(base64urlDecode(String(personal.answer.body.signature)))}`;
    assert.equal(verifyMessage('sign in', signature), personal.account.address);
    const typedData = {
      types: { Mail: [{ name: 'subject', type: 'string' }] },
      primaryType: 'Mail',
      domain: { name: 'Post', chainId: '1' },
      message: { subject: 'hello' },
    };
    const typed = sign(bench, wallet, 'Ethereum', 'ethereumSignTypedData', { typedData });
    const recovered = verifyTypedData(
      typedData.domain,
      typedData.types,
      typedData.message,
      `0x${hexEncode(base64urlDecode(String(typed.answer.body.signature)))}`,
    );
    assert.equal(recovered, typed.account.address);
  });

  test('of transactions are of the account and of the very bytes', () => {
    const solana = wallet.told.accounts![0]!;
    const from = new PublicKey(solana.address);
    const transfer = new SolanaTransaction({ feePayer: from, recentBlockhash: from.toBase58() });
    transfer.add(SystemProgram.transfer({ fromPubkey: from, toPubkey: from, lamports: 5 }));
    const transaction = base64urlEncode(transfer.serializeMessage());
    const signed = sign(bench, wallet, 'Solana', 'signTransaction', { chain: 'solana', transaction });
    assert.equal(signed.answer.body.kind, 'SOLANA');
    const read = SolanaTransaction.from(base64urlDecode(String(signed.answer.body.transaction)));
    assert.ok(read.verifySignatures());
    assert.deepEqual(new Uint8Array(read.serializeMessage()), new Uint8Array(transfer.serializeMessage()));

    const unsigned = EthereumTransaction.from({
      type: 2,
      chainId: 1,
      nonce: 0,
      maxFeePerGas: 9n,
      maxPriorityFeePerGas: 1n,
      gasLimit: 21000n,
      to: wallet.told.accounts![1]!.address,
      value: 4n,
    }).unsignedSerialized;
    const ethereum = sign(
      bench,
      wallet,
      'Ethereum',
      'signTransaction',
      { transaction: { kind: 'RLP_ENCODED', bytes: unsigned } },
      'compatibility',
    );
    const parsed = EthereumTransaction.from(
      `0x${hexEncode(base64urlDecode(String(ethereum.answer.body.transaction)))}`,
    );
    assert.equal(parsed.from, ethereum.account.address);
    assert.equal(parsed.unsignedSerialized, unsigned);
  });

  test('a message that is a transaction is refused with its own code, stated', () => {
    const derivationInfo = "m/44'/501'/0'/0'";
    const payload = base64urlEncode(Uint8Array.of(0x80, ...new Uint8Array(200)));
    const call = bench.call('signRawPayload', {
      walletId: formatUuid(wallet.walletId),
      derivationInfo,
      payload,
      algorithm: 'Ed25519',
    });
    const keyUse = { derivationPath: derivationInfo, curve: 'Ed25519', addressFormat: 'Solana' };
    const answer = bench.use(call, { wallet, keyUse });
    assert.equal(answer.status, 403);
    assert.equal(answer.body.code, 'message-is-transaction');
    assert.equal(answer.statement?.position, bench.organization.head.position);
  });
});

describe('import and export', () => {
  const entropy = new Uint8Array(16).map((_, index) => index * 3 + 1);
  const mnemonic = Mnemonic.fromEntropy(entropy);

  function imported(bench: SignerBench, surface?: 'compatibility') {
    const begin = bench.use(bench.call('initWalletImport', {}, surface === undefined ? {} : { surface }), {});
    if (begin.status !== 200) return { begin };
    const { envelope, publicKey } = begin.body as { envelope: string; publicKey: string };
    const encrypt = (secret: Uint8Array, organization = bench.organization.id) =>
      base64urlEncode(
        sealImport({
          publicKey: base64urlDecode(publicKey),
          deploymentId: bench.roles.signer.deploymentId,
          organization,
          secret,
          random: bench.roles.policy.random,
        }),
      );
    const complete = (encryptedSecret: string, params: object) =>
      bench.createWallet(
        { importEnvelope: { envelope, publicKey }, encryptedSecret, ...params },
        'completeImportWallet',
      );
    return { begin, encrypt, complete };
  }

  test('an imported mnemonic has the addresses that other wallets give it, and is exported the same', () => {
    const bench = new SignerBench();
    const { encrypt, complete } = imported(bench);
    const { wallet } = complete!(encrypt!(entropy), { mnemonicLength: 12 });
    const ethereum = wallet.told.accounts!.find(({ addressFormat }) => addressFormat === 'Ethereum')!;
    assert.equal(ethereum.address, HDNodeWallet.fromMnemonic(mnemonic, "m/44'/60'/0'/0/0").address);

    const recipient = hpke.deriveKeyPair(new Uint8Array(32).fill(5));
    const call = bench.call('exportWallet', {
      walletId: formatUuid(wallet.walletId),
      publicKey: base64urlEncode(recipient.publicKey),
    });
    const { body } = bench.use(call, { wallet });
    const open = (privateKey: Uint8Array) =>
      openExport({
        privateKey,
        encryptedBundle: base64urlDecode(String(body.encryptedBundle)),
        deploymentId: bench.roles.signer.deploymentId,
        organization: bench.organization.id,
        walletId: wallet.walletId,
      });
    assert.deepEqual(open(recipient.privateKey), { kind: 'mnemonic', entropy });
    assert.throws(() => open(new Uint8Array(32).fill(6)), { code: 'decryption-failed' });
  });

  test('an imported private key keeps its address', () => {
    const bench = new SignerBench();
    const { encrypt, complete } = imported(bench);
    const key = new Uint8Array(32).map((_, index) => index + 1);
    const { wallet } = complete!(encrypt!(key), { curve: 'Secp256k1', addressFormat: 'Ethereum' });
    assert.equal(wallet.told.account!.address, computeAddress(`0x${hexEncode(key)}`));
  });

  test('a secret of another form, organization or time is refused without saying more', () => {
    const bench = new SignerBench();
    const { encrypt, complete } = imported(bench);
    const refused = /import-invalid/;
    assert.throws(() => complete!(encrypt!(entropy), { mnemonicLength: 24 }), refused);
    assert.throws(() => complete!(encrypt!(new Uint8Array(32)), { mnemonicLength: 24 }), refused);
    assert.throws(
      () => complete!(encrypt!(new Uint8Array(32).fill(255, 0, 31)), { curve: 'Secp256k1' }),
      refused,
    );
    assert.throws(() => complete!(encrypt!(entropy, new Uint8Array(16)), { mnemonicLength: 12 }), refused);
    assert.throws(() => complete!('AAAA', { mnemonicLength: 12 }), refused);
    bench.now += 15 * 60 * 1000;
    assert.throws(() => complete!(encrypt!(entropy), { mnemonicLength: 12 }), refused);
    bench.now -= 1;
    assert.doesNotThrow(() => complete!(encrypt!(entropy), { mnemonicLength: 12 }));
  });

  test('somebody else of the organization, who saw an import, cannot make a wallet of its secret without its constraints', () => {
    const bench = new SignerBench();
    const begin = bench.use(bench.call('initWalletImport', {}), {});
    const { envelope, publicKey } = begin.body as { envelope: string; publicKey: string };
    const encryptedSecret = base64urlEncode(
      sealImport({
        publicKey: base64urlDecode(publicKey),
        deploymentId: bench.roles.signer.deploymentId,
        organization: bench.organization.id,
        secret: entropy,
        random: bench.roles.policy.random,
      }),
    );
    const seen = {
      walletName: 'W',
      importEnvelope: { envelope, publicKey },
      encryptedSecret,
      mnemonicLength: 12,
    };
    const made = (options: { seed?: Uint8Array }, params: object) => {
      const call = bench.call('completeImportWallet', { ...seen, ...params }, options);
      bench.hold(call);
      const { refusal } = bench.make(call, walletIdOf(bench.organization.id, call.identity));
      return refusal.length === 0 ? 'made' : JSON.parse(Buffer.from(refusal).toString()).code;
    };
    assert.equal(made({ seed: new Uint8Array(32).fill(7) }, {}), 'import-invalid');
    assert.equal(made({}, { constraints: { export: false } }), 'made');
  });

  test('import through the compatibility surface is off unless the operator turns it on', () => {
    const { begin } = imported(new SignerBench(), 'compatibility');
    assert.equal(begin.body.code, 'import-disabled');
    assert.equal(imported(new SignerBench({ compatibilityImport: true }), 'compatibility').begin.status, 200);
  });

  test('an export key of low order is refused', () => {
    const bench = new SignerBench();
    const { wallet } = bench.createWallet();
    const publicKey = base64urlEncode(new Uint8Array(32));
    const { body } = bench.use(
      bench.call('exportWallet', { walletId: formatUuid(wallet.walletId), publicKey }),
      { wallet },
    );
    assert.equal(body.code, 'export-key-unacceptable');
  });
});
