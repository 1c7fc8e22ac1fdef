import type { DeviceStore } from './device-store.ts';

/**
 * Keeps values in IndexedDB, sealed with AES-256-GCM under a key of WebCrypto that cannot be exported: a copy of the
 * browser's files is not enough to read them where the browser keeps such keys apart. Scripts of the page's origin can.
 */
export function browserDeviceStore(databaseName = 'keystead-seedless'): DeviceStore {
  const opened = open(databaseName);
  const key = opened.then(keyOf);
  key.catch(() => {});
  return {
    async read(name) {
      const kept = await request<Sealed | undefined>((await objects(opened, 'readonly')).get(name));
      if (kept === undefined) return undefined;
      const plain = await crypto.subtle.decrypt(parameters(kept.nonce, name), await key, kept.sealed);
      return new Uint8Array(plain);
    },
    async write(name, value) {
      const nonce = crypto.getRandomValues(new Uint8Array(12));
      const sealed = await crypto.subtle.encrypt(parameters(nonce, name), await key, value as BufferSource);
      await durable(await objects(opened, 'readwrite'), (store) => store.put({ nonce, sealed }, name));
    },
    async remove(name) {
      await durable(await objects(opened, 'readwrite'), (store) => store.delete(name));
    },
  };
}

interface Sealed {
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly sealed: ArrayBuffer;
}

const storeName = 'values';
/** No value has this name: names of values begin with what they are. */
const keyName = 'key';

const parameters = (nonce: Uint8Array<ArrayBuffer>, name: string) => ({
  name: 'AES-GCM',
  iv: nonce,
  additionalData: new TextEncoder().encode(name),
});

function open(databaseName: string): Promise<IDBDatabase> {
  const opening = indexedDB.open(databaseName, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(storeName);
  return request(opening);
}

async function keyOf(database: IDBDatabase): Promise<CryptoKey> {
  const find = () =>
    request<CryptoKey | undefined>(
      database.transaction(storeName, 'readonly').objectStore(storeName).get(keyName),
    );
  const kept = await find();
  if (kept !== undefined) return kept;
  const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, [
    'encrypt',
    'decrypt',
  ]);
  const transaction = database.transaction(storeName, 'readwrite', { durability: 'strict' });
  try {
    await durable(transaction.objectStore(storeName), (store) => store.add(made, keyName));
    return made;
  } catch (error) {
    // Another tab was first.
    const other = await find();
    if (other === undefined) throw error;
    return other;
  }
}

async function objects(opened: Promise<IDBDatabase>, mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const transaction = (await opened).transaction(storeName, mode, { durability: 'strict' });
  return transaction.objectStore(storeName);
}

function request<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/** Resolves once the change is on disk. */
function durable(store: IDBObjectStore, change: (store: IDBObjectStore) => IDBRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    store.transaction.oncomplete = () => resolve();
    store.transaction.onabort = () => reject(store.transaction.error);
    change(store);
  });
}
