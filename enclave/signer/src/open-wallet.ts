import { walletMnemonic } from '@keystead/protocol/authority';
import type { KeyConstraints } from '@keystead/protocol/key-constraints';
import type { Derivation } from '@keystead/protocol/parameters/derivation';
import { bytesName } from '@keystead/crypto/recent';
import {
  account,
  accountKey,
  type AccountKeyText,
  type AccountSource,
  assertDerivation,
  type DerivationOptions,
  type OpenAccount,
  openAccount,
} from './accounts.ts';
import { refusal } from './refusal.ts';
import type { OpenRow, Vault } from './vault.ts';
import { type WalletSecret, wipeSecret } from './wallet-secret.ts';

/** Accounts of a secret, each opened once. */
export class SecretAccounts implements AccountSource {
  readonly type: WalletSecret['type'];
  readonly #secret: WalletSecret;
  readonly #options: DerivationOptions;
  readonly #opened = new Map<string, OpenAccount>();

  constructor(secret: WalletSecret, options: DerivationOptions) {
    this.type = secret.type;
    this.#secret = secret;
    this.#options = options;
  }

  get opened(): readonly OpenAccount[] {
    return [...this.#opened.values()];
  }

  account(derivation: Derivation | null): OpenAccount {
    return remembered(this.#opened, derivation, () => openAccount(this.#secret, derivation, this.#options));
  }

  /** Wipes the keys of the accounts; the secret stays. */
  wipe(): void {
    for (const { privateKey } of this.#opened.values()) privateKey.wipe();
    this.#opened.clear();
  }
}

/** A wallet whose row is open. It opens no more of it than is asked for, and nothing twice. */
export class OpenWallet implements AccountSource {
  readonly type: WalletSecret['type'];
  /** Of spec/state.md: 1 mnemonic, 2 single key. */
  readonly kind: number;
  readonly constraints: KeyConstraints;
  readonly #row: OpenRow;
  readonly #options: DerivationOptions;
  readonly #opened = new Map<string, OpenAccount>();
  #secret: WalletSecret | undefined;

  constructor(row: OpenRow, options: DerivationOptions) {
    this.kind = row.kind;
    this.constraints = row.constraints;
    this.type = row.kind === walletMnemonic ? 'MNEMONIC' : 'KEYPAIR';
    this.#row = row;
    this.#options = options;
  }

  /** What the wallet is made of. Throws the refusal of check 21 when the row does not hold it. */
  secret(): WalletSecret {
    this.#secret ??= this.#row.secret();
    if (this.#secret === undefined) throw unopened();
    return this.#secret;
  }

  account(derivation: Derivation | null): OpenAccount {
    assertDerivation(this.type, derivation);
    return remembered(this.#opened, derivation, () => this.#open(derivation));
  }

  /** Of a Bitcoin account of a mnemonic. */
  accountKey(path: string): AccountKeyText {
    const secret = this.secret();
    if (secret.type !== 'MNEMONIC') throw unopened();
    return accountKey(secret.seed, path, this.#options);
  }

  #open(derivation: Derivation | null): OpenAccount {
    if (derivation !== null) {
      const { curve, derivationPath, addressFormat } = derivation;
      const pair = this.#pair(curve, derivationPath);
      return pair === undefined
        ? openAccount(this.secret(), derivation, this.#options)
        : account(pair, addressFormat);
    }
    const secret = this.secret();
    if (secret.type !== 'KEYPAIR') throw unopened();
    const pair = this.#pair(secret.curve, null);
    return pair === undefined
      ? openAccount(secret, null, this.#options)
      : account(pair, secret.addressFormat);
  }

  #pair(...of: Parameters<OpenRow['pair']>): ReturnType<OpenRow['pair']> {
    try {
      return this.#row.pair(...of);
    } catch {
      throw unopened();
    }
  }

  wipe(): void {
    this.#row.wipe();
    if (this.#secret !== undefined) wipeSecret(this.#secret);
    for (const { privateKey } of this.#opened.values()) privateKey.wipe();
    this.#opened.clear();
  }
}

/** Wallets at one time: what one turn has open is bounded. */
const maximumOpen = 64;

/** The wallets that one turn uses: each is opened once, and none is open when the turn has ended. */
export class OpenWallets {
  readonly #vault: Vault;
  readonly #options: (row: Uint8Array) => DerivationOptions;
  readonly #open = new Map<string, OpenWallet>();

  /** `options`: of the row with this hash. */
  constructor(vault: Vault, options: (row: Uint8Array) => DerivationOptions) {
    this.#vault = vault;
    this.#options = options;
  }

  /** `hash` is that of `row`. Undefined when the row is not one that this signer sealed for this wallet id. */
  open(walletId: Uint8Array, row: Uint8Array, hash: Uint8Array): OpenWallet | undefined {
    const name = bytesName(walletId) + bytesName(hash);
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const opened = this.#vault.openRow(walletId, row, hash);
    if (opened === undefined) return undefined;
    if (this.#open.size >= maximumOpen) this.close();
    const wallet = new OpenWallet(opened, this.#options(hash));
    this.#open.set(name, wallet);
    return wallet;
  }

  /** Wipes all of them. */
  close(): void {
    for (const wallet of this.#open.values()) wallet.wipe();
    this.#open.clear();
  }
}

function remembered(
  opened: Map<string, OpenAccount>,
  derivation: Derivation | null,
  open: () => OpenAccount,
): OpenAccount {
  const name =
    derivation === null ? '' : `${derivation.curve} ${derivation.addressFormat} ${derivation.derivationPath}`;
  let found = opened.get(name);
  if (found === undefined) {
    found = open();
    opened.set(name, found);
  }
  return found;
}

const unopened = () => refusal('row', 'The sealed row does not open for the wallet.');
