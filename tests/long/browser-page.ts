/**
 * The program of the test page: the SDK as a web application would use it, bundled for browsers. Its functions are
 * called from the test, so that they take and return JSON only.
 */
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { type Client, createClient } from '@keystead/sdk/client';
import { AnsweredError, KmsError } from '@keystead/sdk/errors';
import type { NewPasskeyAuthenticator } from '@keystead/sdk/native-calls';
import {
  type PasskeyCredentials,
  type PasskeyReference,
  passkeyStamper,
  registerPasskey,
} from '@keystead/sdk/stampers/passkey';
import { forNewOrganization, newKeypairAuthenticator } from '@keystead/sdk/stampers/possession';
import type { Stamper } from '@keystead/sdk/stampers/stamper';
import { openBrowserKey, type WebCryptoAlgorithm } from '@keystead/sdk/stampers/webcrypto';

export interface Deployment {
  readonly api: string;
  readonly root: string;
}

export interface Place extends Deployment {
  readonly organizationId: string;
  readonly walletId: string;
}

export interface BrowserKey {
  readonly name: string;
  readonly algorithm: WebCryptoAlgorithm;
}

/** What a passkey's stamp is made over, and how carefully. */
export interface PasskeyUse {
  readonly passkey: PasskeyReference;
  /** Asks for no user verification, as a careless page would. */
  readonly careless?: boolean;
  /** Asserts over these words in the place of the request. */
  readonly insteadOver?: string;
}

export interface Refusal {
  /** Of a KmsError; undefined for any other error. */
  readonly code: string | undefined;
  readonly name: string;
  readonly message: string;
  /** Whether an enclave states it; undefined for what the SDK refuses by itself. */
  readonly stated: boolean | undefined;
}

/** A result, or why there is none. */
export type Outcome<T> = { readonly result: T } | { readonly refusal: Refusal };

const solana = {
  curve: 'Ed25519',
  derivationPath: "m/44'/501'/0'/0'",
  addressFormat: 'Solana',
} as const;

const username = 'root';

function clientOf(deployment: Deployment, stamper: Stamper): Client {
  return createClient({ baseUrl: deployment.api, root: deployment.root, stamper });
}

async function outcome<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { result: await work() };
  } catch (error) {
    const { name, message } = error as Error;
    return {
      refusal: {
        code: error instanceof KmsError ? error.code : undefined,
        name,
        message,
        stated: error instanceof AnsweredError ? error.stated : undefined,
      },
    };
  }
}

/** The browser's own passkeys with the wish for user verification taken out of what is asked of them. */
const carelessCredentials: PasskeyCredentials = {
  create: (options) => navigator.credentials.create(options),
  get: ({ publicKey }) =>
    navigator.credentials.get({ publicKey: { ...publicKey!, userVerification: 'discouraged' } }),
};

function stamperOf({ passkey, careless = false, insteadOver }: PasskeyUse): Stamper {
  const stamper = careless ? passkeyStamper(passkey, carelessCredentials) : passkeyStamper(passkey);
  if (insteadOver === undefined) return stamper;
  return { ...stamper, sign: () => stamper.sign(utf8Encode(insteadOver)) };
}

const sign = (client: Client, place: Place, message: string) =>
  client.callVerified('signUtf8Message', {
    organizationId: place.organizationId,
    walletId: place.walletId,
    message,
    algorithm: 'Ed25519',
    derivationInfo: solana,
  });

/** The key pair that openBrowserKey keeps, read around the SDK. */
function storedKey(name: string): Promise<CryptoKeyPair> {
  return new Promise((done, fail) => {
    const open = indexedDB.open('keystead');
    open.onerror = () => fail(open.error);
    open.onsuccess = () => {
      const get = open.result.transaction('keys').objectStore('keys').get(name);
      get.onerror = () => fail(get.error);
      get.onsuccess = () => {
        open.result.close();
        done(get.result as CryptoKeyPair);
      };
    };
  });
}

const program = {
  /** base64url of the public key that the browser keeps under the name, made when there is none. */
  async publicKeyOf(key: BrowserKey) {
    return base64urlEncode((await openBrowserKey(key.name, key.algorithm)).publicKey);
  },

  /** What the page gets that opens one new name from two places at once. */
  async publicKeysOf(key: BrowserKey) {
    return await Promise.all([program.publicKeyOf(key), program.publicKeyOf(key)]);
  },

  openKey: (key: BrowserKey) => outcome(() => program.publicKeyOf(key)),

  /** An organization whose root user is a key of this browser, and a wallet in it. */
  async found(deployment: Deployment, key: BrowserKey) {
    const stamper = await openBrowserKey(key.name, key.algorithm);
    const client = clientOf(deployment, stamper);
    const authenticator = await newKeypairAuthenticator(
      stamper,
      { deploymentId: client.deploymentId, organizationId: forNewOrganization, username },
      { authenticatorName: 'browser' },
    );
    const { organizationId } = await client.call('createOrganization', {
      organizationName: 'Page',
      users: [{ username, policy: { type: 'ROOT' }, authenticators: [authenticator] }],
    });
    const { walletId } = await client.call('createWallet', {
      organizationId,
      walletName: 'Page',
      accounts: [solana],
    });
    return { ...deployment, organizationId, walletId };
  },

  signWithKey: (place: Place, key: BrowserKey, message: string) =>
    outcome(async () => {
      const { result, position } = await sign(
        clientOf(place, await openBrowserKey(key.name, key.algorithm)),
        place,
        message,
      );
      return { ...result, position };
    }),

  /** One client that signs two messages one after the other. */
  signTwiceWithKey: (place: Place, key: BrowserKey, messages: readonly [string, string]) =>
    outcome(async () => {
      const client = clientOf(place, await openBrowserKey(key.name, key.algorithm));
      await sign(client, place, messages[0]);
      const { result, position } = await sign(client, place, messages[1]);
      return { ...result, position };
    }),

  /** Names of the errors that every way to get the private key out ends with. */
  async exportAttempts(name: string) {
    const { privateKey } = await storedKey(name);
    const wrapping = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['wrapKey']);
    const iv = new Uint8Array(12);
    const copy = structuredClone(privateKey);
    const attempts = [
      ...(['pkcs8', 'jwk', 'raw'] as const).map((format) => crypto.subtle.exportKey(format, privateKey)),
      crypto.subtle.exportKey('pkcs8', copy),
      crypto.subtle.wrapKey('pkcs8', privateKey, wrapping, { name: 'AES-GCM', iv }),
    ];
    const ends = await Promise.allSettled(attempts);
    return ends.map((end) => (end.status === 'fulfilled' ? 'exported' : (end.reason as Error).name));
  },

  /** What stands in IndexedDB under the name, seen from a page that can read it. */
  async storedKeyProperties(name: string) {
    const { privateKey } = await storedKey(name);
    return {
      extractable: privateKey.extractable,
      usages: privateKey.usages,
      json: JSON.stringify(privateKey),
    };
  },

  /** Makes a passkey for the root user, with a proof for the organization `provenFor` in the place of its own. */
  makePasskey: (place: Place, provenFor: string = place.organizationId) =>
    outcome(() =>
      registerPasskey({
        deploymentId: base64urlDecode(place.root),
        organizationId: provenFor,
        username,
        authenticatorName: 'passkey',
        rpId: 'localhost',
        rpName: 'Page',
      }),
    ),

  addAuthenticator: (place: Place, key: BrowserKey, authenticator: NewPasskeyAuthenticator) =>
    outcome(async () =>
      clientOf(place, await openBrowserKey(key.name, key.algorithm)).call('createAuthenticator', {
        organizationId: place.organizationId,
        username,
        authenticator,
      }),
    ),

  signWithPasskey: (place: Place, use: PasskeyUse, message: string) =>
    outcome(async () => {
      const { result, position } = await sign(clientOf(place, stamperOf(use)), place, message);
      return { ...result, position };
    }),
};

export type PageProgram = typeof program;

(globalThis as unknown as { keystead: PageProgram }).keystead = program;
