import { base58Decode } from '@keystead/crypto/base58';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { buildTransaction1559 } from '@keystead/chains/ethereum/parse';
import { randomBytes } from 'node:crypto';
import type { BenchStamper, BenchWallet } from './product.ts';

/** A legacy message: one System transfer of `lamports`; the recent blockhash is random, so no two are equal. */
function solanaTransfer(from: string, lamports: number): Uint8Array {
  const data = Buffer.alloc(12);
  data.writeUInt32LE(2, 0);
  data.writeBigUInt64LE(BigInt(lamports), 4);
  return Buffer.concat([
    Buffer.from([1, 0, 1, 3]),
    base58Decode(from),
    randomBytes(32),
    Buffer.alloc(32),
    randomBytes(32),
    Buffer.from([1, 2, 2, 0, 1, data.length]),
    data,
  ]);
}

export function solanaRequest(stamper: BenchStamper, wallet: BenchWallet, lamports: number): Buffer {
  return stamper.prepare('signTransaction', {
    organizationId: wallet.organizationId,
    walletId: wallet.walletId,
    chain: 'solana',
    transaction: base64urlEncode(solanaTransfer(wallet.solana, lamports)),
    derivationInfo: { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' },
  });
}

export function solanaRequests(stamper: BenchStamper, wallet: BenchWallet, count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => solanaRequest(stamper, wallet, index + 1));
}

/** Nonces run on from `firstNonce`: transactions of one nonce would replace each other. */
export function ethereumRequests(
  stamper: BenchStamper,
  wallet: BenchWallet,
  count: number,
  firstNonce = 0,
): Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    stamper.prepare('signTransaction', {
      organizationId: wallet.organizationId,
      walletId: wallet.walletId,
      chain: 'ethereum',
      transaction: base64urlEncode(
        buildTransaction1559({
          kind: 'EIP_1559',
          chainId: 11155111,
          nonce: firstNonce + index,
          maxFeePerGas: '2000000000',
          maxPriorityFeePerGas: '1000000000',
          gasLimit: 21000,
          to: '0x000000000000000000000000000000000000dEaD',
          value: String(index + 1),
        } as never),
      ),
      derivationInfo: { derivationPath: "m/44'/60'/0'/0/0", curve: 'Secp256k1', addressFormat: 'Ethereum' },
    }),
  );
}
