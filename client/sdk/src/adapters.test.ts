import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base58Decode } from '@keystead/crypto/base58';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import {
  type Address,
  address,
  appendTransactionMessageInstruction,
  type Blockhash,
  createSignableMessage,
  createTransactionMessage,
  isMessagePartialSigner,
  isTransactionPartialSigner,
  type MessagePartialSigner,
  pipe,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransactionMessageWithSigners,
  type TransactionPartialSigner,
} from '@solana/kit';
import { getTransferSolInstruction } from '@solana-program/system';
import {
  parseTransaction,
  recoverMessageAddress,
  recoverTransactionAddress,
  recoverTypedDataAddress,
  type TransactionSerializable,
  type TransactionSerializedEIP1559,
  serializeTransaction,
} from 'viem';
import { toAccount } from 'viem/accounts';
import { ScriptedDeployment } from '../testing/scripted-deployment.ts';
import { createClient } from './client.ts';
import { KmsError } from './errors.ts';
import { toSolanaSigner } from './solana.ts';
import { keyStamper } from './stampers/key.ts';
import { toViemAccount } from './viem.ts';
import { exportWallet, importWallet } from './wallet-transport.ts';

const deployment = new ScriptedDeployment();
const stamper = keyStamper({ algorithm: 'Ed25519', privateKey: new SecretBytes(new Uint8Array(32).fill(9)) });
const { fetch, root } = deployment;
const client = createClient({ baseUrl: 'http://kms.test', stamper, root, fetch });
const wallet = {
  organizationId: '0f0e0d0c-0b0a-8908-8706-050403020100',
  walletId: '11111111-1111-8111-8111-111111111111',
};
const recipient = '0x00000000000000000000000000000000000000aa';

describe('viem account', () => {
  const open = async () =>
    toAccount(await toViemAccount(client, { ...wallet, derivationInfo: "m/44'/60'/0'/0/0" }));

  it('signs text and bytes', async () => {
    const account = await open();
    for (const message of ['hello', { raw: '0x68656c6c6f' }, { raw: new Uint8Array([1, 2, 3]) }] as const) {
      const signature = await account.signMessage({ message });
      assert.equal(await recoverMessageAddress({ message, signature }), account.address);
    }
  });

  it('signs transactions of every version that viem writes, and refuses blobs', async () => {
    const account = await open();
    const shared = { chainId: 1, nonce: 3, gas: 90_000n, to: recipient, value: 10n ** 18n } as const;
    const accessList = [{ address: recipient, storageKeys: [`0x${'01'.repeat(32)}`] }] as const;
    const transactions: TransactionSerializable[] = [
      { ...shared, type: 'legacy', gasPrice: 10n ** 9n },
      { ...shared, type: 'eip2930', gasPrice: 10n ** 9n, accessList },
      {
        ...shared,
        type: 'eip1559',
        maxFeePerGas: 2n * 10n ** 9n,
        maxPriorityFeePerGas: 1n,
        data: '0xabcdef',
      },
      { ...shared, maxFeePerGas: 2n * 10n ** 9n, maxPriorityFeePerGas: 1n, accessList },
    ];
    for (const transaction of transactions)
      for (const options of [{}, { serializer: serializeTransaction }]) {
        const serializedTransaction = (await account.signTransaction(
          transaction,
          options,
        )) as TransactionSerializedEIP1559;
        assert.equal(await recoverTransactionAddress({ serializedTransaction }), account.address);
        assert.equal(parseTransaction(serializedTransaction).value, shared.value);
      }
    await assert.rejects(
      account.signTransaction({
        ...shared,
        type: 'eip4844',
        blobVersionedHashes: [],
        maxFeePerBlobGas: 1n,
      } as never),
      (error) => error instanceof KmsError && error.code === 'transaction-version-unsupported',
    );
  });

  it('signs typed data with integers of any size', async () => {
    const account = await open();
    const typedData = {
      domain: { name: 'Mail', version: '1', chainId: 1, verifyingContract: recipient },
      types: {
        Mail: [
          { name: 'to', type: 'address' },
          { name: 'amount', type: 'uint256' },
          { name: 'content', type: 'string' },
        ],
      },
      primaryType: 'Mail',
      message: { to: recipient, amount: 2n ** 200n, content: 'hello' },
    } as const;
    const signature = await account.signTypedData(typedData);
    assert.equal(await recoverTypedDataAddress({ ...typedData, signature }), account.address);
  });
});

describe('Solana signer', () => {
  it('signs transactions and messages for @solana/kit', async () => {
    const made = await toSolanaSigner(client, { ...wallet, derivationInfo: "m/44'/501'/0'/0'" });
    const signer: TransactionPartialSigner & MessagePartialSigner = made;
    assert.ok(isTransactionPartialSigner(signer) && isMessagePartialSigner(signer));
    const to: Address = address('So11111111111111111111111111111111111111112');
    const message = pipe(
      createTransactionMessage({ version: 0 }),
      (value) => setTransactionMessageFeePayerSigner(signer as TransactionPartialSigner, value),
      (value) =>
        setTransactionMessageLifetimeUsingBlockhash(
          { blockhash: '4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM' as Blockhash, lastValidBlockHeight: 9n },
          value,
        ),
      (value) =>
        appendTransactionMessageInstruction(
          getTransferSolInstruction({
            source: signer as TransactionPartialSigner,
            destination: to,
            amount: 5n,
          }),
          value,
        ),
    );
    // kit checks that every needed signature is there; the client has verified it.
    const signed = await signTransactionMessageWithSigners(message);
    const signature = signed.signatures[signer.address];
    const key = await crypto.subtle.importKey(
      'raw',
      base58Decode(signer.address) as BufferSource,
      'Ed25519',
      false,
      ['verify'],
    );
    const verify = (bytes: ArrayLike<number>, over: ArrayLike<number>) =>
      crypto.subtle.verify('Ed25519', key, Uint8Array.from(bytes), Uint8Array.from(over));
    assert.ok(await verify(signature!, signed.messageBytes));
    const text = createSignableMessage('hello');
    const [dictionary] = await signer.signMessages([text]);
    assert.ok(await verify(dictionary![signer.address]!, text.content));
    await assert.rejects(
      signer.signMessages([createSignableMessage(new Uint8Array([0xff]))]),
      (error) => error instanceof KmsError && error.code === 'parameter-invalid',
    );
  });
});

describe('import and export', () => {
  it('moves a secret to the signer and back, end to end', async () => {
    const entropy = new Uint8Array(16).map((_, index) => index * 7);
    const { organizationId } = wallet;
    const imported = await importWallet(client, {
      organizationId,
      walletName: 'moved',
      secret: { kind: 'mnemonic', entropy: new SecretBytes(entropy) },
    });
    const exported = await exportWallet(client, { organizationId, walletId: imported.walletId });
    assert.ok(exported.kind === 'mnemonic');
    assert.deepEqual(exported.entropy.expose(), entropy);
  });
});
