/**
 * What limits count of signatures: with the counters and groups of the policy engine, in memory, and without a policy that
 * would refuse anything. Beside it the real losses are added up by the tests of this folder, each in the plainest way that
 * its chain allows.
 */
import assert from 'node:assert/strict';
import type { Effects } from '@keystead/chains/effects';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { DecidedRequests } from '@keystead/enclave-policy/decided-requests';
import { Draft } from '@keystead/enclave-policy/draft';
import { emptyHead, Organization, organizationKeys } from '@keystead/enclave-policy/organization';
import { Places } from '@keystead/enclave-policy/places';
import { NodeCache } from '@keystead/enclave-policy/rows';
import { emptyEntry } from '@keystead/enclave-policy/testing/entries';
import { reserve, usageOf } from '@keystead/enclave-policy/usage';
import { EvaluationContext } from '@keystead/policy/evaluation';
import { placesOf } from '@keystead/policy/exclusive';
import type { LimitDocument } from '@keystead/policy/language/document';
import { checkLimit, type CompiledLimit, compileLimit } from '@keystead/policy/limits';
import { plainRequest } from '@keystead/policy/testing/plain';
import { zeroHash } from '@keystead/protocol/entry';

const id = new Uint8Array(16).fill(1);
const keys = organizationKeys(SecretBytes.take(new Uint8Array(32).fill(5)), id);

const over = (per: LimitDocument['per'], more: Partial<LimitDocument> = {}) =>
  compileLimit(
    // More than anything has: no limit is ever full.
    {
      id: 'counts',
      meter: 'amount',
      per: ['asset', ...per!],
      window: { kind: 'lifetime' },
      max: String(2n ** 255n),
      ...more,
    },
    {},
    { maximumAgeSeconds: 60, maximumDeviation: 500, sources: 1 },
  );

const LIMITS = [
  over([]),
  over(['destination']),
  over(['wallet']),
  over(['wallet'], { excludeOwn: true }),
  over(['wallet', 'destination'], { excludeOwn: true }),
];

/** Who asks for a signature: the wallet, and the addresses that it knows as its own. */
export interface Signer {
  readonly walletId: string;
  readonly ownAddresses: ReadonlySet<string>;
}

export class Counting {
  readonly #organization = new Organization(
    id,
    keys,
    new NodeCache(1_000_000, 0),
    new DecidedRequests((length) => new Uint8Array(length)),
    zeroHash,
    emptyHead,
  );
  readonly #placesOf: typeof placesOf;
  readonly #limits: readonly CompiledLimit[];
  #together = '';

  /**
   * `places`: another rule about which transactions exclude each other, to see that it counts too little. `assets` are counted
   * together, too, as though all were one.
   */
  constructor(places: typeof placesOf = placesOf, assets: readonly string[] = []) {
    this.#placesOf = places;
    this.#limits =
      assets.length === 0 ? LIMITS : [...LIMITS, over([], { per: [], across: { asset: [...assets] } })];
  }

  /** Counts a signature that was given. */
  sign(effects: Effects, { walletId, ownAddresses }: Signer): void {
    const plain = plainRequest(effects);
    const request = { ...plain, resource: { ...plain.resource, walletId, ownAddresses } };
    const taken = this.#placesOf(effects);
    const places = taken.length === 0 ? null : new Places(taken);
    const time = this.#organization.tail.position + 1;
    const draft = new Draft(this.#organization);
    const usage = usageOf(() => draft, places);
    const context = new EvaluationContext(request, time);
    const reserving = this.#limits.flatMap((limit) => {
      const found = checkLimit(limit, context, usage, 0);
      assert.ok(!('why' in found), 'why' in found ? found.why : '');
      return found;
    });
    this.#together = reserving.find(({ scope }) => scope.includes(' asset in '))?.scope ?? this.#together;
    const reserved = reserve(draft, places, time, reserving);
    const cells = draft.cellWrites();
    const entry = emptyEntry({
      organization: id,
      position: time,
      time,
      reservations: reserved.reservations,
      places: [...reserved.places],
      cells,
    });
    this.#organization.append({ entry, hash: zeroHash, sealed: zeroHash }, 0);
  }

  #used(scope: string): bigint {
    const draft = new Draft(this.#organization);
    return usageOf(() => draft, null).spent(scope, -1, 0) as bigint;
  }

  asset(asset: string): bigint {
    return this.#used(`amount asset="${asset}"`);
  }

  /** Of all the assets that are counted together. */
  together(): bigint {
    return this.#together === '' ? 0n : this.#used(this.#together);
  }

  received(asset: string, destination: string): bigint {
    return this.#used(`amount asset="${asset}" destination="${destination}"`);
  }

  /** Of one wallet, what goes to its own addresses included or not. */
  wallet(asset: string, walletId: string, excludeOwn: boolean): bigint {
    return this.#used(`amount asset="${asset}" wallet="${walletId}"${excludeOwn ? ' excluding own' : ''}`);
  }
}
