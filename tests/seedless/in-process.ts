/**
 * Devices, a keeper of backups and realms in one process: the enclaves' programs and the SDK are the real ones, and every request on
 * its way can be held, lost, repeated and overtaken. What a deployment does is to permit what its account's key stamped.
 */
import { createHash } from 'node:crypto';
import { utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { formatUuid } from '@keystead/protocol/ids';
import {
  KeeperWorld,
  organization,
  realmIds,
  settings,
} from '@keystead/enclave-backup/testing/permitted-calls';
import { RealmWorld, type RunningRealm } from '@keystead/enclave-realm/testing/realm-world';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import type { Client } from '@keystead/sdk/client';
import type { Stretch } from '@keystead/sdk/recovery';
import { createSeedlessWallets, type SeedlessOptions, type SeedlessWallets } from '@keystead/sdk/seedless';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { BackupInspection } from '@keystead/sdk/seedless/backup-inspection';
import { KeeperConnection } from '@keystead/sdk/seedless/keeper-connection';
import { backupTenant } from '@keystead/stack/realm-tenant';
import { type Devices, openWay, type Sent, type Way } from './ways.ts';

const organizationId = formatUuid(organization);

export class InProcess implements Devices {
  readonly keeper: KeeperWorld;
  readonly #realms = new Map<string, RunningRealm>();
  readonly #realmWorlds: RealmWorld[] = [];

  private constructor(deletionDelaySeconds: number) {
    this.keeper = new KeeperWorld(settings({ deletionDelaySeconds }));
  }

  static async start({ deletionDelaySeconds = 0 } = {}): Promise<InProcess> {
    const world = new InProcess(deletionDelaySeconds);
    await world.keeper.readiness();
    const tenant = {
      ...backupTenant({ tokenKey: world.keeper.tokenKey! }),
      rate: { tenant: 1_000_000, user: 1_000_000 },
    };
    for (const id of realmIds) {
      const realm = new RealmWorld({
        realmId: new Uint8Array(Buffer.from(id, 'hex')),
        seed: createHash('sha256').update(id).digest(),
        settings: JSON.stringify({ tenants: { backup: tenant } }),
      });
      realm.now = world.keeper.now;
      world.#realmWorlds.push(realm);
      world.#realms.set(`http://realm-${id}/req`, realm.start());
    }
    return world;
  }

  /** Time goes on, for the deployment, the keeper and every realm. */
  pass(milliseconds: number): void {
    for (const part of [this.keeper, ...this.#realmWorlds]) part.now += milliseconds;
  }

  /** What realms told of guesses, registrations and deletions. */
  get realmEvents() {
    return this.#realmWorlds.flatMap(({ events }) => events);
  }

  configuration(places: readonly number[] = [0, 1, 2], recoverThreshold = 2): ConfigurationDocument {
    return {
      realms: places.map((place) => ({ id: realmIds[place]!, address: `http://realm-${realmIds[place]}/` })),
      register_threshold: places.length,
      recover_threshold: recoverThreshold,
      pin_hashing_mode: 'FastInsecure',
    };
  }

  device(way: Way = openWay, options: Partial<SeedlessOptions> = {}): SeedlessWallets {
    return createSeedlessWallets({
      ...this.#ways(way),
      organizationId,
      keeper: this.document,
      configuration: this.configuration(),
      deviceStore: memoryDeviceStore(),
      stretch,
      clock: () => this.keeper.now,
      ...options,
    });
  }

  /** What whoever has the account's key says to the keeper by itself. */
  connection(way: Way = openWay): KeeperConnection {
    return new KeeperConnection({ ...this.#ways(way), organizationId, keeper: this.document });
  }

  /** How the account's backups stand. */
  inspection(): BackupInspection {
    const configuration = this.configuration();
    return new BackupInspection({
      ...this.#ways(openWay),
      organizationId,
      keeper: this.document,
      configuration,
      stretch,
    });
  }

  /** `fetch` of a device. */
  fetch(way: Way = openWay): typeof fetch {
    return this.#ways(way).fetch;
  }

  get document() {
    const { keeperId, keeper } = this.keeper;
    return {
      address: 'http://keeper/',
      id: hexEncode(keeperId),
      publicKey: hexEncode(keeper.publicKey),
    };
  }

  #ways(way: Way): { client: Client; fetch: typeof fetch } {
    let number = 0;
    const send = <T>(sent: Omit<Sent, 'number'>, deliver: () => Promise<T>) =>
      way({ number: (number += 1), ...sent }, deliver);
    const callVerified: Client['callVerified'] = (method, params) =>
      send({ to: 'deployment', method }, async () => {
        const body = utf8Encode(JSON.stringify({ method, params }));
        const { request, signature, allowed } = this.keeper.permit(body, {});
        const result = { permitted: true, allowed: Buffer.from(allowed).toString('base64url') };
        return { result, evidence: { request, signature } } as never;
      });
    const post = async (input: string, init: RequestInit | undefined): Promise<Response> => {
      const body = new Uint8Array(init!.body as Uint8Array);
      const realm = this.#realms.get(input);
      if (realm === undefined) {
        const { status, body: answered, refusal } = await this.keeper.send(body);
        return responseOf(status, answered, refusal);
      }
      const token = new Headers(init!.headers).get('authorization')!.slice('Bearer '.length);
      const { status, body: answered, refusal } = await realm.request(token, body);
      return responseOf(status, answered, refusal);
    };
    return {
      client: { callVerified } as unknown as Client,
      fetch: (input, init) => {
        const url = String(input);
        const body = new Uint8Array(init!.body as Uint8Array);
        return send({ to: url.startsWith('http://keeper/') ? 'keeper' : 'realm', url, body }, () =>
          post(url, init),
        );
      },
    };
  }
}

function responseOf(status: number, body: Uint8Array, refusal: string): Response {
  const headers = new Headers();
  if (refusal !== '') headers.set('x-keystead-refusal', refusal);
  return new Response(body as BodyInit, { status, headers });
}

/** What is tested here is not how long a PIN takes to stretch. */
const stretch: Stretch = async ({ pin, salt }) =>
  new Uint8Array(createHash('sha512').update(salt).update(pin).digest());
