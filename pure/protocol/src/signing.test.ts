import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AddressFormat, RawSignature, SigningAccount } from '@keystead/chains/chain';
import { chainFor } from '@keystead/chains/registry';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import { sha256 } from '@keystead/crypto/sha256';
import { verifyPersonalMessageSignature } from '@mysten/sui/verify';
import { PublicKey, SystemProgram, Transaction as SolanaTransaction } from '@solana/web3.js';
import {
  Transaction as EthereumTransaction,
  Signature,
  TypedDataEncoder,
  verifyMessage,
  Wallet,
} from 'ethers';
import nacl from 'tweetnacl';
import { KmsError } from './errors.ts';
import { parseRequest } from './request.ts';
import { signedBytesDigest } from './signed-bytes.ts';
import { isSigning, type Signed, type SigningRequest, signingRequest } from './signing.ts';
import type { Surface } from './surface.ts';

const seed = sha256(utf8Encode('key of a test'));
const organizationId = '11111111-1111-8111-8111-111111111111';
const walletId = '22222222-2222-8222-8222-222222222222';

function accountOf(addressFormat: AddressFormat): SigningAccount {
  const edwards = addressFormat === 'Solana' || addressFormat === 'Sui';
  const publicKey = edwards ? ed25519.publicKey(seed) : secp256k1.publicKey(seed);
  const address = chainFor(addressFormat).address(publicKey, addressFormat);
  return { publicKey, addressFormat, address, derivationPath: null };
}

function requested(surface: Surface, method: string, params: object, format: AddressFormat): SigningRequest {
  const body = {
    method,
    params: { organizationId, walletId, ...params },
    ...(surface === 'native' ? {} : { timestampMs: 1 }),
  };
  const request = parseRequest(surface, 'rpc', utf8Encode(JSON.stringify(body)));
  if (!isSigning(request)) throw new Error('not a signing method');
  return signingRequest(request, accountOf(format));
}

function signed(request: SigningRequest): Signed {
  return request.finish(
    request.inputs.map((input): RawSignature => {
      if (input.algorithm === 'ed25519') return { bytes: ed25519.sign(seed, input.bytes) };
      if (input.algorithm === 'schnorr') return { bytes: secp256k1.schnorrSign(seed, input.bytes) };
      const { bytes, recovery } = secp256k1.ecdsaSign(seed, input.bytes);
      return { bytes, recovery: recovery as 0 | 1 };
    }),
  );
}

const refusedWith = (code: string, field?: string) => (error: unknown) =>
  error instanceof KmsError && error.code === code && (field === undefined || error.field === field);

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

describe('messages', () => {
  test('Ed25519 signs the UTF-8 bytes themselves', () => {
    const request = requested(
      'native',
      'signUtf8Message',
      { message: 'grüße', algorithm: 'Ed25519' },
      'Solana',
    );
    const { signature, kind } = signed(request);
    assert.ok(
      nacl.sign.detached.verify(new TextEncoder().encode('grüße'), signature, accountOf('Solana').publicKey),
    );
    assert.equal(kind, null);
    assert.equal(request.effects, null);
  });

  test('a Sui account signs a personal message on the native surface and plain bytes on the other', async () => {
    const params = { message: 'hello', algorithm: 'Ed25519' };
    const native = signed(requested('native', 'signUtf8Message', params, 'Sui')).signature;
    const text = new TextEncoder().encode('hello');
    const verified = await verifyPersonalMessageSignature(text, Buffer.from(native).toString('base64'));
    assert.equal(verified.toSuiAddress(), accountOf('Sui').address);
    const plain = signed(requested('compatibility', 'signUtf8Message', params, 'Sui')).signature;
    assert.ok(nacl.sign.detached.verify(text, plain, accountOf('Sui').publicKey));
  });

  test('Secp256k1 hashes with SHA-256, Secp256k1Keccak256 with Keccak-256, Schnorr signs SHA-256', () => {
    const params = (algorithm: string) => ({ payload: base64url(utf8Encode('payload')), algorithm });
    const [plain] = requested('native', 'signRawPayload', params('Secp256k1'), 'BitcoinSegwit').inputs;
    assert.deepEqual(plain, { algorithm: 'ecdsa', bytes: sha256(utf8Encode('payload')) });
    const keccak = requested('native', 'signRawPayload', params('Secp256k1Keccak256'), 'Ethereum');
    assert.equal(signed(keccak).signature.length, 65);
    assert.ok([27, 28].includes(signed(keccak).signature[64]!));
    const [schnorr] = requested(
      'native',
      'signRawPayload',
      params('Secp256k1Schnorr'),
      'BitcoinTaproot',
    ).inputs;
    assert.deepEqual(schnorr, { algorithm: 'schnorr', bytes: sha256(utf8Encode('payload')) });
  });

  test('refuses an algorithm that the key of the account does not have', () => {
    const params = (algorithm: string) => ({ payload: 'AA', algorithm });
    assert.throws(
      () => requested('native', 'signRawPayload', params('Secp256k1'), 'Solana'),
      refusedWith('curve-mismatch', 'params.algorithm'),
    );
    assert.throws(
      () => requested('native', 'signRawPayload', params('Ed25519'), 'Ethereum'),
      refusedWith('curve-mismatch', 'params.algorithm'),
    );
    assert.throws(
      () => requested('native', 'signRawPayload', params('Secp256r1'), 'Ethereum'),
      refusedWith('parameter-invalid', 'params.algorithm'),
    );
  });

  test('an Ethereum personal message recovers to the address', () => {
    const { signature } = signed(
      requested(
        'compatibility',
        'ethereumSignMessage',
        { message: base64url(utf8Encode('sign in')) },
        'Ethereum',
      ),
    );
    assert.equal(verifyMessage('sign in', `0x${hexEncode(signature)}`), accountOf('Ethereum').address);
    assert.equal(accountOf('Ethereum').address, new Wallet(`0x${hexEncode(seed)}`).address);
  });

  test('Ethereum methods refuse an account with another address format', () => {
    assert.throws(
      () => requested('native', 'ethereumSignMessage', { message: 'AA' }, 'BitcoinSegwit'),
      refusedWith('address-format-unsupported'),
    );
  });

  test('typed data has the digest of EIP-712 and its effects', () => {
    const typedData = {
      types: { Mail: [{ name: 'subject', type: 'string' }] },
      primaryType: 'Mail',
      domain: { name: 'Post', chainId: 1 },
      message: { subject: 'hello' },
    };
    const request = requested('compatibility', 'ethereumSignTypedData', { typedData }, 'Ethereum');
    const digest = TypedDataEncoder.hash(typedData.domain, typedData.types, typedData.message);
    assert.equal(`0x${hexEncode(request.inputs[0]!.bytes)}`, digest);
    assert.equal(request.effects?.version, 'typed-data');
  });

  test('refuses typed data whose hash would leave something out', () => {
    const typedData = {
      types: { Mail: [{ name: 'subject', type: 'string' }] },
      primaryType: 'Mail',
      domain: { name: 'Post' },
      message: { subject: 'hello', amount: '1' },
    };
    assert.throws(
      () => requested('native', 'ethereumSignTypedData', { typedData }, 'Ethereum'),
      refusedWith('typed-data-malformed'),
    );
  });
});

const solanaTransaction = () => {
  const from = new PublicKey(accountOf('Solana').publicKey);
  const to = new PublicKey(new Uint8Array(32).fill(7));
  const transaction = new SolanaTransaction({ feePayer: from, recentBlockhash: to.toBase58() });
  return transaction.add(SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports: 5 }));
};

const ethereumTransaction = () =>
  EthereumTransaction.from({
    type: 2,
    chainId: 1,
    nonce: 3,
    maxFeePerGas: 30n,
    maxPriorityFeePerGas: 2n,
    gasLimit: 21000n,
    to: '0x00000000000000000000000000000000000000aa',
    value: 9n,
  });

describe('a message that is a transaction', () => {
  const unsignedEthereum = () => Buffer.from(ethereumTransaction().unsignedSerialized.slice(2), 'hex');

  test('is refused as a raw payload on every chain of the curve', () => {
    const solana = solanaTransaction().serializeMessage();
    for (const format of ['Solana', 'Sui'] as const)
      assert.throws(
        () =>
          requested('native', 'signRawPayload', { payload: base64url(solana), algorithm: 'Ed25519' }, format),
        refusedWith('message-is-transaction', 'params.payload'),
      );
    for (const [format, algorithm] of [
      ['Ethereum', 'Secp256k1Keccak256'],
      ['BitcoinSegwit', 'Secp256k1'],
      ['BitcoinTaproot', 'Secp256k1Schnorr'],
    ] as const)
      assert.throws(
        () =>
          requested(
            'native',
            'signRawPayload',
            { payload: base64url(unsignedEthereum()), algorithm },
            format,
          ),
        refusedWith('message-is-transaction', 'params.payload'),
      );
  });

  test('is refused as a personal message, and a personal message is not', () => {
    const refused = () =>
      requested('native', 'ethereumSignMessage', { message: base64url(unsignedEthereum()) }, 'Ethereum');
    assert.throws(refused, refusedWith('message-is-transaction', 'params.message'));
    assert.doesNotThrow(() =>
      requested('native', 'ethereumSignMessage', { message: base64url(utf8Encode('hi')) }, 'Ethereum'),
    );
  });

  test('is refused as a preimage of any BIP-340 tagged hash', () => {
    const tag = sha256(utf8Encode('KeyAgg list'));
    const payload = base64url(concatBytes(tag, tag, utf8Encode('data')));
    const attempt = (algorithm: string) => () =>
      requested('native', 'signRawPayload', { payload, algorithm }, 'BitcoinTaproot');
    assert.throws(attempt('Secp256k1Schnorr'), refusedWith('message-is-transaction'));
    assert.doesNotThrow(attempt('Secp256k1'));
  });
});

describe('transactions', () => {
  test('a Solana message and the whole transaction are signed over the same bytes', () => {
    const whole = solanaTransaction().serialize({ requireAllSignatures: false, verifySignatures: false });
    const bare = solanaTransaction().serializeMessage();
    const requests = [whole, bare].map((bytes) =>
      requested('native', 'signTransaction', { chain: 'solana', transaction: base64url(bytes) }, 'Solana'),
    );
    assert.deepEqual(signedBytesDigest(requests[0]!.inputs), signedBytesDigest(requests[1]!.inputs));
    const result = signed(requests[0]!);
    assert.equal(result.kind, 'SOLANA');
    assert.ok(SolanaTransaction.from(result.transaction!).verifySignatures());
    assert.ok(nacl.sign.detached.verify(bare, result.signature, accountOf('Solana').publicKey));
  });

  test('the EIP_1559 form and RLP_ENCODED give one Ethereum transaction of the account', () => {
    const plain = ethereumTransaction();
    const rlp = { kind: 'RLP_ENCODED', bytes: plain.unsignedSerialized };
    const fields = {
      kind: 'EIP_1559',
      chainId: 1,
      nonce: 3,
      maxFeePerGas: '30',
      maxPriorityFeePerGas: '2',
      gasLimit: '21000',
      to: plain.to,
      value: '9',
    };
    const results = [rlp, fields].map((transaction) =>
      signed(requested('compatibility', 'signTransaction', { transaction }, 'Ethereum')),
    );
    assert.deepEqual(results[0], results[1]);
    const read = EthereumTransaction.from(`0x${hexEncode(results[0]!.transaction!)}`);
    assert.equal(read.from, accountOf('Ethereum').address);
    assert.equal(read.unsignedSerialized, plain.unsignedSerialized);
    assert.equal(Signature.from(`0x${hexEncode(results[0]!.signature)}`).r, read.signature!.r);
    assert.equal(results[0]!.kind, 'ETHEREUM');
  });

  test('an EVM transaction costs at most the fee that the request names, which stands with no other chain', () => {
    const transaction = base64url(Buffer.from(ethereumTransaction().unsignedSerialized.slice(2), 'hex'));
    const asked = (more: object, chain = 'ethereum', format: AddressFormat = 'Ethereum') =>
      requested('native', 'signTransaction', { chain, transaction, ...more }, format);
    const fee = asked({}).effects!.maxFee!.amount;
    assert.ok(fee > 0n);
    const exact = asked({ maximumFee: fee.toString() });
    assert.deepEqual(signedBytesDigest(exact.inputs), signedBytesDigest(asked({}).inputs));
    const refused = refusedWith('parameter-invalid', 'params.maximumFee');
    for (const maximumFee of [(fee - 1n).toString(), '0', '01', '-1', '0x10', '', (1n << 256n).toString()])
      assert.throws(() => asked({ maximumFee }), refused, maximumFee);
    asked({ maximumFee: ((1n << 256n) - 1n).toString() });
    const solana = base64url(solanaTransaction().serializeMessage());
    const elsewhere = { chain: 'solana', transaction: solana };
    assert.throws(
      () => requested('native', 'signTransaction', { ...elsewhere, maximumFee: '5000' }, 'Solana'),
      refused,
    );
    requested('native', 'signTransaction', elsewhere, 'Solana');
  });

  test('refuses a transaction of another chain than the account', () => {
    const transaction = { kind: 'RLP_ENCODED', bytes: ethereumTransaction().unsignedSerialized };
    assert.throws(
      () => requested('compatibility', 'signTransaction', { transaction }, 'Solana'),
      refusedWith('curve-mismatch', 'params.transaction'),
    );
  });

  test('refuses bytes that are no transaction with a stable code', () => {
    assert.throws(
      () => requested('native', 'signTransaction', { chain: 'solana', transaction: 'AAAA' }, 'Solana'),
      refusedWith('transaction-malformed'),
    );
  });

  test('refuses a transaction that asks for another key', () => {
    const from = new PublicKey(nacl.sign.keyPair.fromSeed(new Uint8Array(32).fill(9)).publicKey);
    const other = new SolanaTransaction({ feePayer: from, recentBlockhash: from.toBase58() });
    other.add(SystemProgram.transfer({ fromPubkey: from, toPubkey: from, lamports: 5 }));
    const transaction = base64url(other.serializeMessage());
    assert.throws(
      () => requested('native', 'signTransaction', { chain: 'solana', transaction }, 'Solana'),
      refusedWith('transaction-not-ours'),
    );
  });
});

test('refuses to finish with another number of signatures than inputs', () => {
  const request = requested('native', 'signUtf8Message', { message: 'a', algorithm: 'Ed25519' }, 'Solana');
  assert.throws(() => request.finish([]), RangeError);
});
