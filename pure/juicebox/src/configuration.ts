import { compareBytes, equalBytes } from '@keystead/crypto/bytes';
import { hexDecode } from '@keystead/crypto/hex';
import { maximumShares } from './secret-sharing.ts';
import type { PinHashingMode } from './stretched-pin.ts';

export interface RealmDocument {
  /** 32 hexadecimal digits; dashes are passed over, so that a UUID is one. */
  readonly id: string;
  readonly address: string;
  /** 64 hexadecimal digits, the realm's Noise key. Without it the realm is trusted to its TLS. */
  readonly public_key?: string;
  /** Who runs it. Published clients pass over it; a plan of a migration does not. */
  readonly operator?: string;
}

/** The realms of a registration as applications write them down: the JSON that published clients take. */
export interface ConfigurationDocument {
  readonly realms: readonly RealmDocument[];
  readonly register_threshold: number;
  readonly recover_threshold: number;
  readonly pin_hashing_mode: string;
}

export interface Realm {
  readonly id: Uint8Array;
  readonly address: string;
  readonly publicKey: Uint8Array | undefined;
  /** Which share is this realm's: its place by id, from 1. It is sent nowhere and kept nowhere. */
  readonly index: number;
}

export interface Configuration {
  /** Ascending by id. */
  readonly realms: readonly Realm[];
  readonly registerThreshold: number;
  readonly recoverThreshold: number;
  readonly pinHashingMode: PinHashingMode;
}

/** A configuration that must not be used. `rule` names what it breaks. */
export class ConfigurationError extends Error {
  readonly rule: 'realms' | 'id' | 'address' | 'public-key' | 'threshold' | 'majority' | 'mode';

  constructor(rule: ConfigurationError['rule'], detail: string) {
    super(detail);
    this.name = 'ConfigurationError';
    this.rule = rule;
  }
}

/**
 * Throws ConfigurationError. A strict majority has to be asked for recovery, or two halves of the realms could hold two
 * registrations; and as many have to take a registration as recovery asks, or it might never be recovered.
 */
export function parseConfiguration(document: ConfigurationDocument): Configuration {
  if (typeof document !== 'object' || document === null || !Array.isArray(document.realms))
    throw new ConfigurationError('realms', 'realms is no list');
  const count = document.realms.length;
  if (count < 1 || count > maximumShares)
    throw new ConfigurationError('realms', `from 1 to ${maximumShares} realms are needed`);
  const realms = document.realms
    .map(realmOf)
    .sort((a, b) => compareBytes(a.id, b.id))
    .map((realm, position) => ({ ...realm, index: position + 1 }));
  if (realms.some(({ id }, position) => position > 0 && equalBytes(id, realms[position - 1]!.id)))
    throw new ConfigurationError('id', 'two realms have the same id');
  const { register_threshold: registerThreshold, recover_threshold: recoverThreshold } = document;
  for (const [name, threshold] of Object.entries({ registerThreshold, recoverThreshold }))
    if (!Number.isInteger(threshold) || threshold < 1 || threshold > count)
      throw new ConfigurationError('threshold', `${name} is not from 1 to ${count}`);
  if (2 * recoverThreshold <= count)
    throw new ConfigurationError('majority', 'the recover threshold is no majority of the realms');
  if (registerThreshold < recoverThreshold)
    throw new ConfigurationError('threshold', 'fewer realms would take a registration than recovery asks');
  const { pin_hashing_mode: mode } = document;
  if (mode !== 'Standard2019' && mode !== 'FastInsecure')
    throw new ConfigurationError('mode', 'the PIN hashing mode is unknown');
  return { realms, registerThreshold, recoverThreshold, pinHashingMode: mode };
}

function realmOf({ id, address, public_key: publicKey }: RealmDocument) {
  const digits = typeof id === 'string' ? id.replaceAll('-', '').toLowerCase() : '';
  if (!/^[0-9a-f]{32}$/.test(digits))
    throw new ConfigurationError('id', 'a realm id is not 32 hexadecimal digits');
  if (typeof address !== 'string' || !/^https?:\/\//.test(address))
    throw new ConfigurationError('address', 'a realm address is no http or https URL');
  if (publicKey !== undefined && !/^[0-9a-fA-F]{64}$/.test(publicKey))
    throw new ConfigurationError('public-key', 'a realm public key is not 64 hexadecimal digits');
  return {
    id: hexDecode(digits),
    address,
    publicKey: publicKey === undefined ? undefined : hexDecode(publicKey.toLowerCase()),
  };
}
