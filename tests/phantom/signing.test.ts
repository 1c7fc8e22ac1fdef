import { withStack } from '../with-stack.ts';
import { refusedHosts } from '../loopback-only.ts';
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { NetworkId, type PhantomClient } from '@phantom/client';
import {
  type Address,
  address,
  appendTransactionMessageInstruction,
  blockhash,
  compileTransaction,
  createNoopSigner,
  createTransactionMessage,
  lamports,
  pipe,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from '@solana/kit';
import { getTransferSolInstruction } from '@solana-program/system';
import {
  Keypair,
  PublicKey,
  SystemProgram,
  Transaction,
  TransactionMessage,
  VersionedTransaction,
} from '@solana/web3.js';
import bs58 from 'bs58';
import { Transaction as EthereumTransaction, verifyMessage, verifyTypedData } from 'ethers';
import nacl from 'tweetnacl';
import { serializeTransaction } from 'viem';
import { addressOf, clientWith, found, type PhantomOrganization } from './phantom-client.ts';

const SOL = 1_000_000_000n;
const ETHER = 10n ** 18n;

let organization: PhantomOrganization;
let client: PhantomClient;
let server: PhantomClient;
let walletId: string;
let solana: string;
let ethereum: string;
let sui: string;

const running = withStack({ chains: true }, async (running) => {
  organization = await found(running);
  client = organization.client;
  server = clientWith(running, organization.pair, organization.organizationId, 'server-wallet');
  const wallet = await client.createWallet('W');
  walletId = wallet.walletId;
  solana = addressOf(wallet.addresses, 'Solana');
  ethereum = addressOf(wallet.addresses, 'Ethereum');
  sui = addressOf(wallet.addresses, 'Sui');
  running.solana.fund(solana, 100n * SOL);
  await running.anvil.fund(ethereum, 100n * ETHER);
});

after(() => {
  assert.deepEqual([...new Set(refusedHosts())], ['time.phantom.app']);
});

const decode = (text: string) => Buffer.from(text, 'base64url');
const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const someone = () => Keypair.generate().publicKey;
const SOLANA = NetworkId.SOLANA_DEVNET;
const SEPOLIA = NetworkId.ETHEREUM_SEPOLIA;

describe('messages', () => {
  test('signUtf8Message on Solana verifies under the address', async () => {
    const message = 'héllo';
    const signature = decode(await client.signUtf8Message({ walletId, message, networkId: SOLANA }));
    assert.ok(nacl.sign.detached.verify(Buffer.from(message), signature, bs58.decode(solana)));
    assert.ok(!nacl.sign.detached.verify(Buffer.from('hello'), signature, bs58.decode(solana)));
  });

  test('signUtf8Message at index 1 verifies under the address of index 1', async () => {
    const [first] = await client.getWalletAddresses(walletId, undefined, 1);
    const request = { walletId, message: 'one', networkId: SOLANA, derivationIndex: 1 };
    const signature = decode(await client.signUtf8Message(request));
    assert.notEqual(first!.address, solana);
    assert.ok(nacl.sign.detached.verify(Buffer.from('one'), signature, bs58.decode(first!.address)));
  });

  test('signUtf8Message on Sui is a plain Ed25519 signature, as the client expects', async () => {
    const accounts = await running
      .client(await rawKey())
      .call<{ publicKey: string; address: string }[]>('getAccounts', {
        organizationId: organization.organizationId,
        walletId,
        accounts: ["m/44'/784'/0'/0'/0'"],
      });
    const [account] = accounts;
    assert.equal(account!.address, sui);
    const request = { walletId, message: 'sui', networkId: NetworkId.SUI_MAINNET };
    const signature = decode(await client.signUtf8Message(request));
    const key = Buffer.from(account!.publicKey, 'hex');
    assert.ok(nacl.sign.detached.verify(Buffer.from('sui'), signature, key));
  });

  test('ethereumSignMessage recovers to the address', async () => {
    for (const message of ['hello', 'grüße 🙂']) {
      const request = { walletId, message: encode(Buffer.from(message)), networkId: SEPOLIA };
      const signature = decode(await client.ethereumSignMessage(request));
      assert.equal(signature.length, 65);
      assert.ok(signature[64] === 27 || signature[64] === 28);
      assert.equal(verifyMessage(message, `0x${signature.toString('hex')}`), ethereum);
    }
  });

  test('ethereumSignTypedData recovers to the address', async () => {
    const types = {
      Mail: [
        { name: 'to', type: 'address' },
        { name: 'contents', type: 'string' },
      ],
    };
    const contract = '0x00000000000000000000000000000000c0ffee00';
    const domain = { name: 'Mail', version: '1', chainId: 11155111, verifyingContract: contract };
    const message = { to: '0x000000000000000000000000000000000000bEEF', contents: 'hello' };
    const domainTypes = [
      { name: 'name', type: 'string' },
      { name: 'version', type: 'string' },
      { name: 'chainId', type: 'uint256' },
      { name: 'verifyingContract', type: 'address' },
    ];
    const typedData = {
      types: { EIP712Domain: domainTypes, ...types },
      primaryType: 'Mail',
      domain,
      message,
    };
    const signature = decode(await client.ethereumSignTypedData({ walletId, typedData, networkId: SEPOLIA }));
    assert.equal(verifyTypedData(domain, types, message, `0x${signature.toString('hex')}`), ethereum);
  });
});

/** A key for raw calls of the same organization. */
async function rawKey() {
  const raw = running.client();
  await client.createAuthenticator({
    organizationId: organization.organizationId,
    username: 'root',
    authenticatorName: 'raw',
    authenticator: {
      authenticatorKind: 'keypair',
      authenticatorName: 'raw',
      publicKey: raw.key.publicKey,
      algorithm: 'Ed25519' as never,
    },
  });
  return raw.key;
}

describe('Solana transactions', () => {
  const transfer = (to: PublicKey, amount: bigint) =>
    SystemProgram.transfer({ fromPubkey: new PublicKey(solana), toPubkey: to, lamports: amount });

  /** Wire bytes with empty signature slots. */
  const legacy = (to: PublicKey, amount: bigint) =>
    new Transaction({ feePayer: new PublicKey(solana), recentBlockhash: running.solana.blockhash() })
      .add(transfer(to, amount))
      .serialize({ requireAllSignatures: false });
  const version0 = (to: PublicKey, amount: bigint) =>
    new VersionedTransaction(
      new TransactionMessage({
        payerKey: new PublicKey(solana),
        recentBlockhash: running.solana.blockhash(),
        instructions: [transfer(to, amount)],
      }).compileToV0Message(),
    ).serialize();
  const verified = (raw: string) => {
    const transaction = VersionedTransaction.deserialize(decode(raw));
    const [signature] = transaction.signatures;
    const message = transaction.message.serialize();
    assert.ok(nacl.sign.detached.verify(message, signature!, bs58.decode(solana)));
    return { transaction, message };
  };

  test('signTransaction signs a legacy transaction after /prepare, and alters nothing', async () => {
    const to = someone();
    const unsigned = legacy(to, SOL);
    const request = { walletId, transaction: encode(unsigned), networkId: SOLANA, account: solana };
    const { rawTransaction } = await client.signTransaction(request);
    assert.ok(Transaction.from(decode(rawTransaction)).verifySignatures());
    const { message } = verified(rawTransaction);
    assert.deepEqual(Buffer.from(message), Buffer.from(Transaction.from(unsigned).serializeMessage()));
    assert.equal(running.solana.balance(to.toBase58()), 0n, 'nothing was sent');
  });

  test('signTransaction signs a v0 transaction of a server wallet without /prepare', async () => {
    const unsigned = version0(someone(), SOL);
    const request = { walletId, transaction: encode(unsigned), networkId: SOLANA };
    const { rawTransaction } = await server.signTransaction(request);
    const { message } = verified(rawTransaction);
    const given = VersionedTransaction.deserialize(unsigned).message.serialize();
    assert.deepEqual(Buffer.from(message), Buffer.from(given));
  });

  const forms = { legacy, v0: version0 };
  for (const [name, build] of Object.entries(forms)) {
    for (const type of ['user-wallet', 'server-wallet'] as const) {
      test(`signAndSendTransaction moves a balance: ${name}, ${type}`, async () => {
        const to = someone();
        const before = running.solana.balance(solana);
        const given = { walletId, transaction: encode(build(to, 2n * SOL)), networkId: SOLANA };
        const { rawTransaction, hash } =
          type === 'user-wallet'
            ? await client.signAndSendTransaction({ ...given, account: solana })
            : await server.signAndSendTransaction(given);
        const { transaction } = verified(rawTransaction);
        assert.equal(hash, bs58.encode(transaction.signatures[0]!));
        assert.equal(running.solana.balance(to.toBase58()), 2n * SOL);
        assert.equal(running.solana.balance(solana), before - 2n * SOL - 5000n);
      });
    }
  }

  test('signAndSendTransaction takes the bare message bytes that @solana/kit users send', async () => {
    const to = someone().toBase58();
    const payer = address(solana);
    const message = pipe(
      createTransactionMessage({ version: 0 }),
      (draft) => setTransactionMessageFeePayer(payer, draft),
      (draft) =>
        setTransactionMessageLifetimeUsingBlockhash(
          { blockhash: blockhash(running.solana.blockhash()), lastValidBlockHeight: 1000n },
          draft,
        ),
      (draft) =>
        appendTransactionMessageInstruction(
          getTransferSolInstruction({
            source: createNoopSigner(payer),
            destination: to as Address,
            amount: lamports(3n * SOL),
          }),
          draft,
        ),
    );
    const { messageBytes } = compileTransaction(message);
    const bytes = messageBytes as unknown as Uint8Array;
    const { rawTransaction } = await client.signAndSendTransaction({
      walletId,
      transaction: encode(bytes),
      networkId: SOLANA,
      account: solana,
    });
    assert.deepEqual(Buffer.from(verified(rawTransaction).message), Buffer.from(bytes));
    assert.equal(running.solana.balance(to), 3n * SOL);
  });

  test('the signature of a co-signer that is there already stays', async () => {
    const other = Keypair.generate();
    running.solana.fund(other.publicKey.toBase58(), SOL);
    const transaction = new VersionedTransaction(
      new TransactionMessage({
        payerKey: other.publicKey,
        recentBlockhash: running.solana.blockhash(),
        instructions: [transfer(other.publicKey, SOL)],
      }).compileToV0Message(),
    );
    transaction.sign([other]);
    const { rawTransaction } = await server.signAndSendTransaction({
      walletId,
      transaction: encode(transaction.serialize()),
      networkId: SOLANA,
    });
    const signed = VersionedTransaction.deserialize(decode(rawTransaction));
    assert.deepEqual(signed.signatures[0], transaction.signatures[0]);
    assert.equal(running.solana.balance(other.publicKey.toBase58()), 2n * SOL - 10_000n);
  });
});

describe('Ethereum transactions', () => {
  let nonce = 0;
  const to = '0x000000000000000000000000000000000000bEEF';
  const unsigned = (value: bigint, changed: { nonce?: number; chainId?: number } = {}) =>
    serializeTransaction({
      type: 'eip1559',
      chainId: changed.chainId ?? 11_155_111,
      nonce: changed.nonce ?? nonce,
      to,
      value,
      gas: 21_000n,
      maxFeePerGas: 10n ** 10n,
      maxPriorityFeePerGas: 10n ** 9n,
    });

  test('signTransaction signs an EIP-1559 transaction and sends nothing', async () => {
    const before = await running.anvil.balance(to);
    const transaction = unsigned(1n);
    const { rawTransaction } = await client.signTransaction({ walletId, transaction, networkId: SEPOLIA });
    const signed = EthereumTransaction.from(`0x${decode(rawTransaction).toString('hex')}`);
    assert.equal(signed.from, ethereum);
    assert.equal(signed.unsignedSerialized, transaction);
    assert.equal(await running.anvil.balance(to), before);
  });

  test('signAndSendTransaction moves a balance on a real node', async () => {
    for (const value of [ETHER, 2n * ETHER]) {
      const before = await running.anvil.balance(to);
      const request = { walletId, transaction: unsigned(value), networkId: SEPOLIA, account: ethereum };
      const { rawTransaction, hash } = await client.signAndSendTransaction(request);
      const signed = EthereumTransaction.from(`0x${decode(rawTransaction).toString('hex')}`);
      assert.equal(hash, signed.hash);
      assert.ok(await running.anvil.mined(hash!));
      assert.equal((await running.anvil.balance(to)) - before, value);
      nonce += 1;
    }
  });

  test('what the node refuses reaches the caller in words', async () => {
    const transaction = unsigned(1_000_000n * ETHER);
    await assert.rejects(
      client.signAndSendTransaction({ walletId, transaction, networkId: SEPOLIA }),
      (error: Error) => {
        assert.match(error.message, /^Transaction broadcast failed: .*[Ii]nsufficient funds/);
        return true;
      },
    );
  });

  test('a network without an endpoint is named, and the transaction is not sent', async () => {
    const transaction = unsigned(1n, { chainId: 8453 });
    await assert.rejects(
      client.signAndSendTransaction({ walletId, transaction, networkId: NetworkId.BASE_MAINNET }),
      /eip155:8453 has no RPC endpoint here/,
    );
  });
});
