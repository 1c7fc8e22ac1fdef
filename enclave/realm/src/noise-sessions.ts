import { bytesName, Recent } from '@keystead/crypto/recent';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { type NoiseMessage, type NoiseTransport, noiseRespond } from '@keystead/crypto/noise-nk';
import { publicKey } from '@keystead/crypto/x25519';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { branch } from '@keystead/protocol/deployment';
import type { RealmSettings } from './tenants.ts';

/** spec/realm.md §3. */

const mostSessions = 8192;
const longest = 60_000;
/** What a client is told of how long its session lasts. */
export const sessionSeconds = 5;

interface Session {
  readonly transport: NoiseTransport;
  readonly until: number;
}

/** The realm's static key of a generation. */
export function noiseKey(seed: SecretBytes, generation: number): SecretBytes {
  return branch(seed, `keystead/realm/noise/v1/${generation}`);
}

/** The Noise keys of a realm and its open sessions. */
export class NoiseSessions {
  readonly #keyOf: (generation: number) => SecretBytes;
  readonly #sessions = new Recent<Session>(mostSessions);
  #keys: SecretBytes[] = [];
  #publicKey: Uint8Array = new Uint8Array(32);

  constructor(keyOf: (generation: number) => SecretBytes, noise: RealmSettings['noise']) {
    this.#keyOf = keyOf;
    this.use(noise);
  }

  /** Of the newest generation. */
  get publicKey(): Uint8Array {
    return this.#publicKey;
  }

  /** Takes other generations. Sessions that are open stay. */
  use({ newest, oldest }: RealmSettings['noise']): void {
    for (const key of this.#keys) key.wipe();
    const count = newest - oldest + 1;
    this.#keys = Array.from({ length: count }, (_, back) => this.#keyOf(newest - back));
    this.#publicKey = publicKey(this.#keys[0]!.expose());
  }

  /** Undefined when the message was made for none of the accepted keys. */
  respond(message: NoiseMessage): ReturnType<typeof noiseRespond> | undefined {
    for (const key of this.#keys) {
      try {
        return noiseRespond(key.expose(), message);
      } catch (error) {
        if (!(error instanceof CryptoError)) throw error;
      }
    }
    return undefined;
  }

  keep(record: Uint8Array, sessionId: number, transport: NoiseTransport, now: number): void {
    this.#sessions.set(nameOf(record, sessionId), { transport, until: now + longest });
  }

  find(record: Uint8Array, sessionId: number, now: number): NoiseTransport | undefined {
    const session = this.#sessions.get(nameOf(record, sessionId));
    return session === undefined || session.until < now ? undefined : session.transport;
  }

  end(record: Uint8Array, sessionId: number): void {
    this.#sessions.delete(nameOf(record, sessionId));
  }
}

function nameOf(record: Uint8Array, sessionId: number): string {
  return `${bytesName(record)}${sessionId}`;
}
