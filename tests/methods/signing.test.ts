import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import bs58 from 'bs58';
import { Psbt, Transaction as BitcoinTransaction } from 'bitcoinjs-lib';
import {
  hashMessage,
  keccak256,
  SigningKey,
  Transaction as EthereumTransaction,
  TypedDataEncoder,
  verifyMessage,
  verifyTypedData,
} from 'ethers';
import nacl from 'tweetnacl';
import { serializeTransaction } from 'viem';
import type { RawClient } from '../raw-client.ts';
import { conforming } from './conforms.ts';
import { code } from './refused.ts';
import { verifySchnorr } from './schnorr.ts';

interface Signed {
  signature: string;
  address: string;
  publicKey: string;
}
interface SignedTransaction extends Signed {
  kind: string;
  transaction: string;
}

const SOLANA = "m/44'/501'/0'/0'";
const ETHEREUM = "m/44'/60'/0'/0/0";
const BITCOIN = "m/84'/0'/0'/0";

let client: RawClient;
let organizationId: string;
let walletId: string;
const addresses: Record<string, string> = {};
const publicKeys: Record<string, string> = {};

const running = withStack({}, async (running) => {
  ({ client, organizationId } = await running.organization());
  const wallet = await client.call<{
    walletId: string;
    accounts: { derivationPath: string; address: string; publicKey: string }[];
  }>('createWallet', { organizationId, walletName: 'W' });
  walletId = wallet.walletId;
  for (const { derivationPath, address, publicKey } of wallet.accounts) {
    addresses[derivationPath] = address;
    publicKeys[derivationPath] = publicKey;
  }
});

type SigningMethod =
  | 'signUtf8Message'
  | 'signRawPayload'
  | 'ethereumSignMessage'
  | 'ethereumSignTypedData'
  | 'signTransaction';
async function sign<T = Signed>(method: SigningMethod, params: Record<string, unknown>): Promise<T> {
  return conforming(method, await client.call<T>(method, { organizationId, walletId, ...params }));
}
const decode = (text: string) => Buffer.from(text, 'base64url');
const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const hex = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString('hex')}`;
const object = (derivationPath: string, curve: string, addressFormat: string) => ({
  derivationPath,
  curve,
  addressFormat,
});

test('signUtf8Message: Ed25519 by default, for a path or an object', async () => {
  for (const derivationInfo of [SOLANA, object(SOLANA, 'Ed25519', 'Solana')]) {
    for (const algorithm of [undefined, 'Ed25519', 'ed25519', null]) {
      const params = { message: 'héllo', derivationInfo, ...(algorithm === undefined ? {} : { algorithm }) };
      const { signature, address, publicKey } = await sign('signUtf8Message', params);
      assert.deepEqual([address, publicKey], [addresses[SOLANA], addresses[SOLANA]]);
      const verified = nacl.sign.detached.verify(
        Buffer.from('héllo'),
        decode(signature),
        bs58.decode(address),
      );
      assert.ok(verified);
    }
  }
});

test('signUtf8Message: ECDSA and Schnorr with a Secp256k1 key', async () => {
  const derivationInfo = object(ETHEREUM, 'K256', 'Ethereum');
  const message = Buffer.from('hello');
  const sha = createHash('sha256').update(message).digest();
  const own = `0x${publicKeys[ETHEREUM]}`;
  const uncompressed = SigningKey.computePublicKey(own, false);
  const call = async (algorithm: string) =>
    decode((await sign('signUtf8Message', { message: 'hello', algorithm, derivationInfo })).signature);

  const ecdsa = await call('Secp256k1');
  assert.equal(ecdsa.length, 64);
  const recovered = [27, 28].map((v) =>
    SigningKey.recoverPublicKey(sha, { r: hex(ecdsa.subarray(0, 32)), s: hex(ecdsa.subarray(32)), v }),
  );
  assert.ok(recovered.includes(uncompressed));

  const keccak = await call('secp256k1keccak256');
  assert.equal(keccak.length, 65);
  assert.equal(SigningKey.recoverPublicKey(keccak256(message), hex(keccak)), uncompressed);

  const schnorr = await call('Secp256k1Schnorr');
  assert.ok(verifySchnorr(Buffer.from(own.slice(4), 'hex'), sha, schnorr));
  assert.ok(!verifySchnorr(Buffer.from(own.slice(4), 'hex'), createHash('sha256').digest(), schnorr));
});

test('signUtf8Message: refuses what does not belong together', async () => {
  const ethereum = { message: 'x', algorithm: 'Ed25519', derivationInfo: ETHEREUM };
  await assert.rejects(sign('signUtf8Message', ethereum), code('curve-mismatch'));
  await assert.rejects(sign('signUtf8Message', { message: 'x' }), code('derivation-path-invalid'));
  const long = { message: 'x'.repeat(65_537), derivationInfo: SOLANA };
  await assert.rejects(sign('signUtf8Message', long), code('parameter-invalid', 'params.message'));
});

test('signUtf8Message: the same request gives the same answer, another client gets its own', async () => {
  const timestamp = Date.now();
  const params = { organizationId, walletId, message: 'again', derivationInfo: SOLANA };
  const [one, two] = [
    await client.rpc('signUtf8Message', params, timestamp),
    await client.rpc('signUtf8Message', params, timestamp),
  ];
  assert.deepEqual(one!.body!.result, two!.body!.result);
});

test('signRawPayload: five algorithms by name, base64 or base64url, only with the permission', async () => {
  const payload = Buffer.from('//79/A==', 'base64');
  const unpermitted = { payload: payload.toString('base64'), derivationInfo: SOLANA };
  await assert.rejects(sign('signRawPayload', unpermitted), code('raw-payload-not-permitted'));
  const params = {
    organizationId,
    walletId,
    payload: encode(payload),
    algorithm: 'Ed25519',
    derivationInfo: SOLANA,
  };
  await assert.rejects(client.native('signRawPayload', params), code('raw-payload-not-permitted'));
  const newPolicy = { type: 'ROOT', permissions: ['signRawPayload'] };
  await client.native('updateUserInOrganization', { organizationId, username: 'root', newPolicy });
  assert.equal(decode((await client.native<Signed>('signRawPayload', params)).signature).length, 64);
  for (const text of [payload.toString('base64'), payload.toString('base64url')]) {
    const { signature, address } = await sign('signRawPayload', { payload: text, derivationInfo: SOLANA });
    assert.ok(nacl.sign.detached.verify(payload, decode(signature), bs58.decode(address)));
  }
  const request = { payload: payload.toString('base64'), derivationInfo: ETHEREUM };
  const uncompressed = SigningKey.computePublicKey(`0x${publicKeys[ETHEREUM]}`, false);
  const keccak = await sign('signRawPayload', { ...request, algorithm: 'Secp256k1Keccak256' });
  const digest = keccak256(payload);
  assert.equal(SigningKey.recoverPublicKey(digest, hex(decode(keccak.signature))), uncompressed);
  const ecdsa = await sign('signRawPayload', { ...request, algorithm: 'Secp256k1' });
  assert.equal(decode(ecdsa.signature).length, 64);
  const schnorr = await sign('signRawPayload', { ...request, algorithm: 'Secp256k1Schnorr' });
  const sha = createHash('sha256').update(payload).digest();
  const xOnly = Buffer.from(publicKeys[ETHEREUM]!.slice(2), 'hex');
  assert.ok(verifySchnorr(xOnly, sha, decode(schnorr.signature)));
  const p256 = { ...request, algorithm: 'Secp256r1' };
  await assert.rejects(sign('signRawPayload', p256), code('parameter-invalid', 'params.algorithm'));
});

test('signRawPayload: refuses the bytes of a transaction and the digest of a message', async () => {
  const unsigned = serializeTransaction({
    type: 'eip1559',
    chainId: 1,
    to: '0x000000000000000000000000000000000000bEEF',
    value: 1n,
    gas: 21_000n,
    maxFeePerGas: 1n,
    maxPriorityFeePerGas: 1n,
  });
  const payload = Buffer.from(unsigned.slice(2), 'hex').toString('base64');
  const request = { payload, algorithm: 'Secp256k1Keccak256', derivationInfo: ETHEREUM };
  await assert.rejects(sign('signRawPayload', request), code('message-is-transaction'));
});

test('ethereumSignMessage: text and bytes recover to the address', async () => {
  const bytes = Uint8Array.of(0xff, 0xfe, 0x00, 0x7f);
  for (const message of [
    encode(Buffer.from('hello')),
    encode(bytes),
    Buffer.from(bytes).toString('base64'),
  ]) {
    const { signature, address } = await sign('ethereumSignMessage', { message, derivationInfo: ETHEREUM });
    assert.equal(address, addresses[ETHEREUM]);
    assert.equal(verifyMessage(Buffer.from(message, 'base64'), hex(decode(signature))), address);
  }
  const solana = { message: 'aGVsbG8', derivationInfo: SOLANA };
  await assert.rejects(sign('ethereumSignMessage', solana), code('address-format-unsupported'));
  assert.equal(hashMessage('x').length, 66);
});

const types = {
  Person: [
    { name: 'name', type: 'string' },
    { name: 'wallet', type: 'address' },
  ],
  Mail: [
    { name: 'from', type: 'Person' },
    { name: 'amounts', type: 'uint256[]' },
    { name: 'note', type: 'bytes' },
  ],
};
const domain = {
  name: 'Mail',
  version: '1',
  chainId: 1,
  verifyingContract: '0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC',
};
const message = {
  from: { name: 'Cow', wallet: '0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826' },
  amounts: ['1', '115792089237316195423570985008687907853269984665640564039457584007913129639935'],
  note: '0x00ff',
};
const domainTypes = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' },
];

test('ethereumSignTypedData: nested types, chain id as number, text or hexadecimal', async () => {
  for (const chainId of [1, '1', '0x1']) {
    const typedData = {
      types: { EIP712Domain: domainTypes, ...types },
      primaryType: 'Mail',
      domain: { ...domain, chainId },
      message,
    };
    const { signature, address } = await sign('ethereumSignTypedData', {
      typedData,
      derivationInfo: ETHEREUM,
    });
    assert.equal(verifyTypedData(domain, types, message, hex(decode(signature))), address);
  }
  assert.equal(TypedDataEncoder.hash(domain, types, message).length, 66);
});

test('ethereumSignTypedData: refuses members that no type names', async () => {
  const typedData = {
    types: { EIP712Domain: domainTypes, ...types },
    primaryType: 'Mail',
    domain,
    message: { ...message, hidden: '1' },
  };
  await assert.rejects(
    sign('ethereumSignTypedData', { typedData, derivationInfo: ETHEREUM }),
    code('typed-data-malformed'),
  );
});

test('signTransaction: Solana from wire bytes and from message bytes', async () => {
  const payer = new PublicKey(addresses[SOLANA]!);
  const to = Keypair.generate().publicKey;
  const unsigned = new Transaction({ feePayer: payer, recentBlockhash: to.toBase58() }).add(
    SystemProgram.transfer({ fromPubkey: payer, toPubkey: to, lamports: 1 }),
  );
  const message = unsigned.serializeMessage();
  for (const bytes of [unsigned.serialize({ requireAllSignatures: false }), message]) {
    const signed = await sign<SignedTransaction>('signTransaction', {
      transaction: encode(bytes),
      derivationInfo: SOLANA,
    });
    assert.equal(signed.kind, 'SOLANA');
    assert.ok(Transaction.from(decode(signed.transaction)).verifySignatures());
    assert.ok(nacl.sign.detached.verify(message, decode(signed.signature), bs58.decode(signed.address)));
  }
});

test('signTransaction: Ethereum as RLP_ENCODED of three types, and as EIP_1559 fields', async () => {
  const to = '0x000000000000000000000000000000000000bEEF' as const;
  const shared = { chainId: 1, nonce: 3, to, value: 10n ** 18n, gas: 21_000n, data: '0x' } as const;
  const fees = { maxFeePerGas: 1000n, maxPriorityFeePerGas: 1n };
  const unsigned = [
    serializeTransaction({ ...shared, type: 'legacy', gasPrice: 7n }),
    serializeTransaction({ ...shared, type: 'eip2930', gasPrice: 7n, accessList: [] }),
    serializeTransaction({ ...shared, type: 'eip1559', ...fees }),
  ];
  const call = (transaction: unknown) =>
    sign<SignedTransaction>('signTransaction', { transaction, derivationInfo: ETHEREUM });
  for (const bytes of unsigned) {
    const { kind, transaction, signature } = await call({ kind: 'RLP_ENCODED', bytes });
    const signed = EthereumTransaction.from(hex(decode(transaction)));
    assert.deepEqual(
      [kind, signed.from, signed.unsignedSerialized],
      ['ETHEREUM', addresses[ETHEREUM], bytes],
    );
    assert.equal(decode(signature).length, 65);
  }
  const fields = {
    kind: 'EIP_1559',
    chainId: 1,
    nonce: '0x3',
    maxFeePerGas: '1000',
    maxPriorityFeePerGas: 1,
    gasLimit: '21000',
    to: to.toLowerCase(),
    value: '1000000000000000000',
  };
  const signed = EthereumTransaction.from(hex(decode((await call(fields)).transaction)));
  assert.equal(signed.unsignedSerialized, unsigned[2]);
  const later = { kind: 'RLP_ENCODED', bytes: `0x06${unsigned[2]!.slice(4)}` };
  await assert.rejects(call(later), code('transaction-version-unsupported'));
});

test('signTransaction: a Bitcoin PSBT that another library finalizes', async () => {
  const key = Buffer.from(publicKeys[BITCOIN]!, 'hex');
  const script = Buffer.concat([
    Uint8Array.of(0, 20),
    createHash('ripemd160').update(createHash('sha256').update(key).digest()).digest(),
  ]);
  const previous = new BitcoinTransaction();
  previous.addInput(Buffer.alloc(32, 7), 0);
  previous.addOutput(script, 100_000n);
  const psbt = new Psbt();
  psbt.addInput({
    hash: previous.getId(),
    index: 0,
    witnessUtxo: { script, value: 100_000n },
    nonWitnessUtxo: previous.toBuffer(),
  });
  psbt.addOutput({ script: Buffer.concat([Uint8Array.of(0, 20), Buffer.alloc(20, 9)]), value: 90_000n });
  const { kind, transaction } = await sign<SignedTransaction>('signTransaction', {
    transaction: { kind: 'PSBT', bytes: psbt.toBase64() },
    derivationInfo: BITCOIN,
  });
  assert.equal(kind, 'BITCOIN');
  const [input] = Psbt.fromBuffer(decode(transaction)).extractTransaction().ins[0]!.witness;
  const sighash = new BitcoinTransaction();
  sighash.version = psbt.version;
  sighash.addInput(previous.getHash(), 0, 0xffffffff);
  sighash.addOutput(Buffer.concat([Uint8Array.of(0, 20), Buffer.alloc(20, 9)]), 90_000n);
  const code0 = Buffer.concat([Buffer.from('76a914', 'hex'), script.subarray(2), Buffer.from('88ac', 'hex')]);
  const digest = sighash.hashForWitnessV0(0, code0, 100_000n, 1);
  const [r, s] = derIntegers(Buffer.from(input!).subarray(0, -1));
  const recovered = [27, 28].map((v) => SigningKey.recoverPublicKey(digest, { r, s, v }));
  assert.ok(recovered.includes(SigningKey.computePublicKey(hex(key), false)));
});

/** r and s of a DER signature, as 32 bytes in hexadecimal. */
function derIntegers(der: Uint8Array): [string, string] {
  const length = der[3]!;
  const wide = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString('hex').padStart(64, '0').slice(-64)}`;
  return [wide(der.subarray(4, 4 + length)), wide(der.subarray(6 + length))];
}

test('signTransaction: refuses what is not understood, of another chain, or of another account', async () => {
  const call = (transaction: unknown, derivationInfo: unknown) =>
    sign<SignedTransaction>('signTransaction', { transaction, derivationInfo });
  await assert.rejects(call(encode(Buffer.from('nonsense')), SOLANA), code('transaction-malformed'));
  const psbt = { kind: 'PSBT', bytes: 'cHNidP8=' };
  await assert.rejects(call(psbt, SOLANA), code('parameter-invalid', 'params.transaction'));
  const stranger = Keypair.generate().publicKey;
  const foreign = new Transaction({ feePayer: stranger, recentBlockhash: stranger.toBase58() }).add(
    SystemProgram.transfer({ fromPubkey: stranger, toPubkey: stranger, lamports: 1 }),
  );
  await assert.rejects(
    call(encode(foreign.serialize({ requireAllSignatures: false })), SOLANA),
    code('transaction-not-ours'),
  );
});

test('signTransaction: /simulations tells effects and decision, and signs nothing', async () => {
  const payer = new PublicKey(addresses[SOLANA]!);
  const to = Keypair.generate().publicKey;
  const unsigned = new Transaction({ feePayer: payer, recentBlockhash: to.toBase58() })
    .add(SystemProgram.transfer({ fromPubkey: payer, toPubkey: to, lamports: 123 }))
    .serialize({ requireAllSignatures: false });
  const before = running.entries(organizationId);
  const body = { transaction: [...unsigned], organizationId, walletId, derivationInfo: SOLANA };
  const answer = await client.send(Buffer.from(JSON.stringify(body)), 'simulations');
  assert.equal(answer.status, 200, answer.text);
  const told = (answer.body!.result ?? answer.body) as Record<string, unknown>;
  assert.equal(told.success, true);
  assert.match(JSON.stringify(told.effects), new RegExp(to.toBase58()));
  assert.equal(running.entries(organizationId), before);
});
