import { accountPath } from '@keystead/chains/bitcoin/account-path';
import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { hexEncode } from '@keystead/crypto/hex';
import type { JsonValue } from '@keystead/crypto/strict-json';
import type { Clock } from '@keystead/enclave-runtime/program';
import { KmsError, toKmsError } from '@keystead/protocol/errors';
import { walletIdOf } from '@keystead/protocol/ids';
import type { ParsedRequest } from '@keystead/protocol/request';
import { sealedRowHash } from '@keystead/protocol/sealed-row';
import type { Made, Make } from '@keystead/protocol/ticket';
import type { AddressFormat, Curve } from '@keystead/chains/chain';
import type { Derivation } from '@keystead/protocol/parameters/derivation';
import { defaultAccounts } from '@keystead/protocol/parameters/derivation';
import { type AccountSource, accountsOf, type OpenAccount } from './accounts.ts';
import { organizationOf } from './checks.ts';
import type { SignerTools } from './method.ts';
import { makeFor } from './method-table.ts';
import { OpenWallet, SecretAccounts } from './open-wallet.ts';
import { pathsOf } from './request-facts.ts';
import { parseHeld, type RequestTable } from './requests.ts';
import type { KeyPair, Vault } from './vault.ts';
import { wipeSecret } from './wallet-secret.ts';

/** spec/signer.md §6. */
const rememberedMilliseconds = 5 * 60 * 1000;
const maximumRemembered = 10_000;

/** Makes secrets, and tells accounts, before a request is decided. Nothing it makes exists until an entry says so. */
export class Maker {
  readonly #requests: RequestTable;
  readonly #vault: Vault;
  readonly #tools: SignerTools;
  readonly #clock: Clock;
  readonly #made = new Map<string, { made: Made; at: number }>();
  /** Rows made since the start. */
  rows = 0;

  constructor(options: {
    readonly requests: RequestTable;
    readonly vault: Vault;
    readonly tools: SignerTools;
    readonly clock: Clock;
  }) {
    this.#requests = options.requests;
    this.#vault = options.vault;
    this.#tools = options.tools;
    this.#clock = options.clock;
  }

  /** What was made is made again when it is asked for: rows under an older wallet key are not given out any more. */
  forgetRows(): void {
    this.#made.clear();
  }

  /** Never throws: what cannot be made is a refusal that the policy engine reads. */
  answer(make: Make, sealed: Uint8Array | undefined): Made {
    const { boot, identity, organization, walletId } = make;
    const empty = new Uint8Array(0);
    const figures = { boot, identity, organization, walletId };
    try {
      const { request, keyHash } = this.#request(make);
      if (make.secret === undefined) return { ...this.#makeRow(make, request, keyHash), boot };
      const accounts = this.#tell(make, request, sealed);
      return { ...figures, refusal: empty, secret: make.secret, sealed: empty, accounts };
    } catch (error) {
      const { code, detail, field } = toKmsError(error);
      const refusal = canonical({ code, detail, ...(field === undefined ? {} : { field }) });
      return { ...figures, refusal, secret: new Uint8Array(32), sealed: empty, accounts: empty };
    }
  }

  /** The caller's own request, of the organization that the policy engine names. */
  #request({ identity, organization }: Make): {
    readonly request: ParsedRequest;
    readonly keyHash: Uint8Array;
  } {
    const held = this.#requests.find(identity)?.request;
    if (held === undefined) throw refused('The signer did not get this request.');
    const { stamp } = held;
    if (held.selfVerified === false) throw new KmsError('stamp-invalid', {});
    if (stamp.kind === 'native' && !equalBytes(stamp.deployment, this.#tools.deploymentId))
      throw new KmsError('deployment-mismatch', {});
    const request = parseHeld(held);
    const named = organizationOf(request);
    if (named === undefined || !equalBytes(named, organization))
      throw refused('The request is of another organization.');
    return { request, keyHash: stamp.keyHash };
  }

  #makeRow(make: Make, request: ParsedRequest, keyHash: Uint8Array): Made {
    const { identity, organization, walletId } = make;
    const now = this.#clock();
    const key = hexEncode(identity);
    this.#forget(now);
    const known = this.#made.get(key);
    if (known !== undefined && equalBytes(known.made.walletId, walletId)) return known.made;
    if (request.kind !== 'make') throw refused('The method makes no wallet.');
    if (!equalBytes(walletIdOf(organization, identity), walletId))
      throw refused('The wallet id does not follow from the request.');
    const secret = makeFor({ request, tools: this.#tools, organization, keyHash, now });
    if (secret === undefined) throw refused('The method makes no wallet.');
    const source = new SecretAccounts(secret, { backend: this.#tools.backend });
    try {
      const accounts = told(source, pathsOf(request) ?? defaultAccounts);
      const sealed = this.#vault.seal(
        walletId,
        secret,
        sealedPairs(source.opened),
        request.params.constraints,
      );
      const made: Made = {
        boot: make.boot,
        identity,
        organization,
        walletId,
        refusal: new Uint8Array(0),
        secret: sealedRowHash(sealed),
        sealed,
        accounts,
      };
      this.#made.set(key, { made, at: now });
      this.rows += 1;
      return made;
    } finally {
      source.wipe();
      wipeSecret(secret);
    }
  }

  /** Accounts of a wallet that exists; nothing but public figures of accounts that the request names. */
  #tell(make: Make, request: ParsedRequest, sealed: Uint8Array | undefined): Uint8Array {
    if (request.kind !== 'use' && request.kind !== 'make') throw refused('The method uses no wallet.');
    if (sealed === undefined || make.secret === undefined || !equalBytes(sealedRowHash(sealed), make.secret))
      throw refused('The attached row is not the one that is named.');
    const asked = pathsOf(request);
    const paths = make.paths.map(derivationOf);
    if (
      asked !== null &&
      asked.length > 0 &&
      !paths.every((path) => asked.some((other) => sameAccount(path, other)))
    )
      throw refused('The request does not ask for these accounts.');
    const row = this.#vault.openRow(make.walletId, sealed, make.secret);
    if (row === undefined) throw refused('The row is not of that wallet.');
    const { backend, publicKeys } = this.#tools;
    const wallet = new OpenWallet(row, { backend, known: publicKeys.of(make.secret) });
    try {
      const accounts = accountsOf(wallet, paths);
      const keys = accounts.type === 'MNEMONIC' ? bitcoinAccounts(paths) : [];
      return canonical({
        ...accounts,
        ...(keys.length === 0 ? {} : { accountKeys: keys.map((path) => wallet.accountKey(path)) }),
      } as unknown as JsonValue);
    } finally {
      wallet.wipe();
    }
  }

  #forget(now: number): void {
    for (const [key, { at }] of this.#made) {
      if (at >= now - rememberedMilliseconds && this.#made.size < maximumRemembered) return;
      this.#made.delete(key);
    }
  }
}

/** `Made.accounts`. */
function told(source: AccountSource, derivations: readonly Derivation[]): Uint8Array {
  return canonical(accountsOf(source, derivations) as unknown as JsonValue);
}

/** Paths of the Bitcoin accounts that addresses lie in. */
function bitcoinAccounts(derivations: readonly Derivation[]): string[] {
  const paths = derivations.flatMap(({ derivationPath, addressFormat }) => {
    const isBitcoin = addressFormat === 'BitcoinSegwit' || addressFormat === 'BitcoinTaproot';
    return (isBitcoin ? accountPath(derivationPath) : null) ?? [];
  });
  return [...new Set(paths)];
}

/** One pair of each key: accounts may differ in their address only. */
function sealedPairs(accounts: readonly OpenAccount[]): KeyPair[] {
  const pairs = new Map<string, KeyPair>();
  for (const { pair } of accounts) pairs.set(`${pair.curve} ${pair.derivationPath}`, pair);
  return [...pairs.values()];
}

const canonical = (value: JsonValue): Uint8Array => utf8Encode(canonicalize(value));

const refused = (detail: string): KmsError => new KmsError('signer-refused', { detail });

// `openAccount` refuses a curve or format that is none.
const derivationOf = (path: Make['paths'][number]): Derivation => ({
  curve: path.curve as Curve,
  derivationPath: path.derivationPath,
  addressFormat: path.addressFormat as AddressFormat,
});

const sameAccount = (one: Derivation, other: Derivation): boolean =>
  one.derivationPath === other.derivationPath &&
  one.curve === other.curve &&
  one.addressFormat === other.addressFormat;
