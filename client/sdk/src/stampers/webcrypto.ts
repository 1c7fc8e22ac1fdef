import { KmsError } from '../errors.ts';
import type { Stamper } from './stamper.ts';

export type WebCryptoAlgorithm = 'Secp256r1' | 'Ed25519';

const parameters = {
  Secp256r1: { generate: { name: 'ECDSA', namedCurve: 'P-256' }, sign: { name: 'ECDSA', hash: 'SHA-256' } },
  Ed25519: { generate: { name: 'Ed25519' }, sign: { name: 'Ed25519' } },
} as const;

/**
 * A new key pair whose private key cannot leave the browser's or Node's WebCrypto. P-256 unless asked otherwise. Throws
 * KmsError `not-supported` where there is no WebCrypto (pages that are no secure context) or none with Ed25519.
 */
export async function generateWebCryptoKey(
  algorithm: WebCryptoAlgorithm = 'Secp256r1',
): Promise<CryptoKeyPair> {
  const { generate } = parameters[algorithm];
  try {
    return (await crypto.subtle.generateKey(generate, false, ['sign', 'verify'])) as CryptoKeyPair;
  } catch (cause) {
    throw new KmsError('not-supported', {
      detail: `This environment makes no ${algorithm} keys; they need WebCrypto and, in browsers, a secure context.`,
      cause,
    });
  }
}

/**
 * Stamps with a key of WebCrypto. Throws KmsError `public-key-unacceptable` for another kind of key, and for a private
 * key that could be exported.
 */
export async function webCryptoStamper(keys: CryptoKeyPair): Promise<Stamper> {
  const { privateKey, publicKey } = keys;
  const algorithm = algorithmOf(privateKey);
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

function algorithmOf(key: CryptoKey): WebCryptoAlgorithm | undefined {
  const { name, namedCurve } = key.algorithm as EcKeyAlgorithm;
  if (name === 'Ed25519') return 'Ed25519';
  return name === 'ECDSA' && namedCurve === 'P-256' ? 'Secp256r1' : undefined;
}

const databaseName = 'keystead';
const storeName = 'keys';

/**
 * The stamper of a key that this browser keeps in IndexedDB under `name`; made on first use. Two tabs that open a new
 * name at once get one key. Throws KmsError: `public-key-unacceptable` when the key under `name` is of another
 * algorithm, and as generateWebCryptoKey.
 */
export async function openBrowserKey(
  name: string,
  algorithm: WebCryptoAlgorithm = 'Secp256r1',
): Promise<Stamper> {
  const database = await openDatabase();
  try {
    const keys = (await kept(database, name)) ?? (await keepNew(database, name, algorithm));
    if (algorithmOf(keys.privateKey) !== algorithm)
      throw new KmsError('public-key-unacceptable', {
        detail: `The key that this browser keeps under the name ${name} is of another algorithm.`,
        hint: 'Open it with the algorithm that it was made with, or use another name.',
      });
    return await webCryptoStamper(keys);
  } finally {
    database.close();
  }
}

/** Forgets the key of `name`; nothing can stamp with it again. */
export async function deleteBrowserKey(name: string): Promise<void> {
  const database = await openDatabase();
  try {
    await committed(write(database), (keys) => keys.delete(name));
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

function kept(database: IDBDatabase, name: string): Promise<CryptoKeyPair | undefined> {
  return settled(database.transaction(storeName, 'readonly').objectStore(storeName).get(name));
}

async function keepNew(
  database: IDBDatabase,
  name: string,
  algorithm: WebCryptoAlgorithm,
): Promise<CryptoKeyPair> {
  const made = await generateWebCryptoKey(algorithm);
  try {
    await committed(write(database), (keys) => keys.add(made, name));
    return made;
  } catch (error) {
    // Another tab was first.
    const other = (error as { name?: unknown }).name === 'ConstraintError' && (await kept(database, name));
    if (!other) throw error;
    return other;
  }
}

function write(database: IDBDatabase): IDBTransaction {
  return database.transaction(storeName, 'readwrite', { durability: 'strict' });
}

/**
 * Resolves once the change is on disk: a request that succeeded can still be undone by a transaction that fails, and
 * an organization must not be founded on a key that is gone tomorrow.
 */
function committed(transaction: IDBTransaction, change: (keys: IDBObjectStore) => IDBRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    change(transaction.objectStore(storeName));
  });
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
