import { KmsError } from '../errors.ts';
import type { Stamper } from './stamper.ts';

export type WebCryptoAlgorithm = 'Secp256r1' | 'Ed25519';

const parameters = {
  Secp256r1: { generate: { name: 'ECDSA', namedCurve: 'P-256' }, sign: { name: 'ECDSA', hash: 'SHA-256' } },
  Ed25519: { generate: { name: 'Ed25519' }, sign: { name: 'Ed25519' } },
} as const;

/** A new key pair whose private key cannot leave the browser's or Node's WebCrypto. P-256 unless asked otherwise. */
export async function generateWebCryptoKey(
  algorithm: WebCryptoAlgorithm = 'Secp256r1',
): Promise<CryptoKeyPair> {
  const { generate } = parameters[algorithm];
  return (await crypto.subtle.generateKey(generate, false, ['sign', 'verify'])) as CryptoKeyPair;
}

/**
 * Stamps with a key of WebCrypto. Throws KmsError `public-key-unacceptable` for another kind of key, and for a private
 * key that could be exported.
 */
export async function webCryptoStamper(keys: CryptoKeyPair): Promise<Stamper> {
  const { privateKey, publicKey } = keys;
  const { name, namedCurve } = privateKey.algorithm as EcKeyAlgorithm;
  const algorithm =
    name === 'Ed25519' ? 'Ed25519' : name === 'ECDSA' && namedCurve === 'P-256' ? 'Secp256r1' : undefined;
  if (algorithm === undefined || !privateKey.usages.includes('sign'))
    throw new KmsError('public-key-unacceptable', {
      detail: 'The key is no signing key of P-256 or Ed25519.',
    });
  if (privateKey.extractable)
    throw new KmsError('public-key-unacceptable', { detail: 'The private key could be exported.' });
  const { sign } = parameters[algorithm];
  return {
    algorithm: algorithm === 'Ed25519' ? 'ed25519' : 'ecdsa-p256-sha256',
    publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', publicKey)),
    sign: async (message) =>
      new Uint8Array(await crypto.subtle.sign(sign, privateKey, message as BufferSource)),
  };
}

const databaseName = 'keystead';
const storeName = 'keys';

/**
 * The stamper of a key that this browser keeps in IndexedDB under `name`; made on first use. Two tabs that open a new
 * name at once get one key.
 */
export async function openBrowserKey(
  name: string,
  algorithm: WebCryptoAlgorithm = 'Secp256r1',
): Promise<Stamper> {
  const database = await openDatabase();
  try {
    let keys = await settled<CryptoKeyPair | undefined>(storeOf(database, 'readonly').get(name));
    if (keys === undefined) {
      const made = await generateWebCryptoKey(algorithm);
      try {
        await settled(storeOf(database, 'readwrite').add(made, name));
        keys = made;
      } catch (error) {
        // Another tab was first.
        if ((error as { name?: unknown }).name !== 'ConstraintError') throw error;
        keys = await settled<CryptoKeyPair>(storeOf(database, 'readonly').get(name));
      }
    }
    return await webCryptoStamper(keys);
  } finally {
    database.close();
  }
}

/** Forgets the key of `name`; nothing can stamp with it again. */
export async function deleteBrowserKey(name: string): Promise<void> {
  const database = await openDatabase();
  try {
    await settled(storeOf(database, 'readwrite').delete(name));
  } finally {
    database.close();
  }
}

function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open(databaseName, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(storeName);
  };
  return settled(request);
}

function storeOf(database: IDBDatabase, mode: IDBTransactionMode): IDBObjectStore {
  return database.transaction(storeName, mode, { durability: 'strict' }).objectStore(storeName);
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
