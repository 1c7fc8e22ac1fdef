import type { AccountKey, AddressFormat, SigningAccount } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import { accountPath } from '@keystead/chains/bitcoin/account-path';
import { base58Decode } from '@keystead/crypto/base58';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalizeWithAmounts } from '@keystead/crypto/canonical-json';
import { hexDecode } from '@keystead/crypto/hex';
import {
  type GrantLeaf,
  grantLeafKey,
  organizationLeafKey,
  walletLeafKey,
  type WalletLeaf,
} from '@keystead/protocol/authority';
import { KeyConstraints, signatureBreaks, unconstrained } from '@keystead/protocol/key-constraints';
import type { ParsedRequest } from '@keystead/protocol/request';
import { type KeyUse, zeroHash } from '@keystead/protocol/entry';
import { KmsError } from '@keystead/protocol/errors';
import { parseUuid, walletIdOf } from '@keystead/protocol/ids';
import type { Derivation } from '@keystead/protocol/parameters/derivation';
import { signedBytesDigest } from '@keystead/protocol/signed-bytes';
import { checkSignIn, isSigning, type SigningRequestOf } from '@keystead/protocol/signing';
import { accountKeyOf, withAccountKey } from './account-keys.ts';
import { type AccountKeyCell, type DerivedAccount, encodeJson, type WalletCell } from './cells.ts';
import { Draft } from './draft.ts';
import type { Organization } from './organization.ts';
import { ownAddressesOf } from './own-addresses.ts';
import { NeedMade, NeedOwner, type Pending } from './pending.ts';
import { type Reading, readSigning } from './reading.ts';
import type { GrantTerms } from './grants.ts';
import { addToWallets } from './wallets.ts';

/** The wallet a request is about, and the right by which its organization may use it. */
export interface WalletInUse {
  readonly walletId: Uint8Array;
  readonly id: string;
  readonly leaf: WalletLeaf;
  readonly cell: WalletCell;
  /** Null when the requester's organization owns it. */
  readonly granted: { readonly owner: Draft; readonly grant: GrantLeaf; readonly terms: GrantTerms } | null;
}

/** Throws KmsError wallet-not-found, grant-not-found; NeedOwner, NeedOrganization, NeedRows. */
export function walletInUse(
  pending: Pending,
  draft: Draft,
  walletId: string,
  policyName: string | null,
  organizationOf: (id: Uint8Array) => Organization,
): WalletInUse {
  const id = parseUuid(walletId);
  const notFound = () => new KmsError('wallet-not-found', { field: 'params.walletId' });
  if (id === undefined) throw notFound();
  const own = draft.leaf(walletLeafKey(id));
  if (own?.leaf === 'wallet') {
    const cell = draft.cell('wallet', walletId);
    if (cell === undefined) throw notFound();
    if (own.frozen) throw new KmsError('wallet-frozen', { field: 'params.walletId' });
    return { walletId: id, id: walletId, leaf: own, cell, granted: null };
  }
  if (pending.owner === undefined) throw new NeedOwner(id);
  if (pending.owner === null) throw notFound();
  const owner = new Draft(organizationOf(pending.owner));
  const leaf = owner.leaf(walletLeafKey(id));
  const cell = owner.cell('wallet', walletId);
  if (leaf?.leaf !== 'wallet' || cell === undefined) throw notFound();
  const grants = (owner.cell('grants', walletId)?.grants ?? []).filter(
    (candidate) =>
      candidate.target === pending.organizationId && (policyName === null || candidate.name === policyName),
  );
  if (grants.length === 0) throw notFound();
  if (grants.length > 1)
    throw new KmsError('grant-not-found', {
      field: 'params.policyName',
      detail: 'several grants stand for this organization; name one',
    });
  const grant = owner.leaf(grantLeafKey(id, draft.organization.id, grants[0].name));
  if (grant?.leaf !== 'grant') throw notFound();
  // Only who has the grant learns that it does not work now.
  if (leaf.frozen) throw new KmsError('wallet-frozen', { field: 'params.walletId' });
  const home = owner.leaf(organizationLeafKey);
  if (home?.leaf !== 'organization' || home.frozen)
    throw new KmsError('organization-frozen', { field: 'params.walletId' });
  return { walletId: id, id: walletId, leaf, cell, granted: { owner, grant, terms: grants[0] } };
}

/** The account of a signing request. Throws KmsError; NeedMade when its path was never derived. */
export function accountInUse(
  pending: Pending,
  wallet: WalletInUse,
  request: SigningRequestOf,
): DerivedAccount {
  const { derivation } = request.params;
  if (wallet.cell.type === 'KEYPAIR') {
    if (derivation !== null)
      throw new KmsError('derivation-path-invalid', {
        field: 'params.derivationInfo',
        detail: 'a single-key wallet has no paths',
      });
    return wallet.cell.accounts[0];
  }
  if (derivation === null)
    throw new KmsError('derivation-path-invalid', {
      field: 'params.derivationInfo',
      detail: 'a mnemonic wallet signs with a derived account: name its path',
    });
  return knownAccount(wallet.cell, derivation) ?? derivedAccount(pending, wallet, derivation);
}

function knownAccount(cell: WalletCell, derivation: Derivation): DerivedAccount | undefined {
  return cell.accounts.find(
    (account) =>
      account.derivationPath === derivation.derivationPath &&
      account.addressFormat === derivation.addressFormat,
  );
}

function derivedAccount(pending: Pending, wallet: WalletInUse, derivation: Derivation): DerivedAccount {
  const found = pending.made?.accounts.find(
    (account) =>
      account.derivationPath === derivation.derivationPath &&
      account.addressFormat === derivation.addressFormat,
  );
  if (found !== undefined) return found;
  if (pending.refusal !== undefined) throw pending.refusal;
  if (pending.made !== undefined)
    throw new KmsError('unavailable', { detail: 'the signer told another account' });
  throw askSigner(pending, wallet, derivation);
}

/** The signer tells an account, and of a Bitcoin account its key too. */
function askSigner(
  pending: Pending,
  wallet: WalletInUse,
  { curve, derivationPath, addressFormat }: Omit<DerivedAccount, 'address' | 'publicKey'>,
): NeedMade {
  return new NeedMade({
    identity: pending.identity,
    organization: pending.organization,
    walletId: wallet.walletId,
    secret: wallet.leaf.secret,
    paths: [{ curve, derivationPath, addressFormat }],
  });
}

/**
 * The key of the Bitcoin account that an address lies in; undefined where there is none, or where the signer does not tell
 * it: then nothing but the address itself is change. Throws NeedMade.
 */
function accountKeyInUse(
  pending: Pending,
  wallet: WalletInUse,
  account: DerivedAccount,
): AccountKeyCell | undefined {
  const path = wallet.cell.type === 'MNEMONIC' ? accountPath(account.derivationPath) : null;
  if (path === null) return undefined;
  const known = wallet.cell.accountKeys?.find((each) => each.path === path);
  if (known !== undefined) return known;
  const told = pending.made?.accountKeys.find((each) => each.path === path);
  if (told !== undefined) return { ...told, highestUsed: [-1, -1] };
  if (pending.made !== undefined || pending.refusal !== undefined) return undefined;
  throw askSigner(pending, wallet, account);
}

/** Accounts that a wallet remembers beside those it was made with. */
const maximumRememberedAccounts = 256;

/** Remembers what was derived for this request, so that the next one need not ask the signer, and where change went. */
export function rememberAccount({ wallet, account, accountKey, effects }: Use, draft: Draft): void {
  if (wallet === null || account === null) return;
  const { cell } = wallet;
  const isKnown =
    cell.accounts.length >= maximumRememberedAccounts || cell.accounts.some((known) => known === account);
  const told = isKnown ? cell : { ...cell, accounts: [...cell.accounts, account] };
  const kept = accountKey === null || effects === null ? told : withAccountKey(told, accountKey, effects);
  if (kept !== cell) homeOf(wallet, draft).write('wallet', wallet.id, kept);
}

/** The organization that owns a wallet. */
const homeOf = (wallet: WalletInUse, draft: Draft): Draft => wallet.granted?.owner ?? draft;

// An account is the same object as long as its wallet's cell is.
const signingAccounts = new WeakMap<DerivedAccount, SigningAccount>();

/** The key behind an account in the form that chains parse with: the same object each time, not to be changed. */
export function signingAccount(account: DerivedAccount): SigningAccount {
  const known = signingAccounts.get(account);
  if (known !== undefined) return known;
  const made: SigningAccount = {
    publicKey:
      account.addressFormat === 'Solana' ? base58Decode(account.publicKey) : hexDecode(account.publicKey),
    addressFormat: account.addressFormat as AddressFormat,
    address: account.address,
    derivationPath: account.derivationPath === '' ? null : account.derivationPath,
  };
  signingAccounts.set(account, made);
  return made;
}

export interface Use {
  readonly keyUse: KeyUse;
  readonly effects: Effects | null;
  /** Of a signing request. */
  readonly reading: Reading | null;
  /** Of the Bitcoin account that signs, where it was needed. */
  readonly accountKey: AccountKeyCell | null;
  readonly wallet: WalletInUse | null;
  readonly account: DerivedAccount | null;
  /** Paths that the request touches, for the policy. */
  readonly paths: string | readonly string[] | null;
}

/** What a request of kind `use` would do with a key. Nothing is written. */
export function keyUseOf(
  pending: Pending,
  draft: Draft,
  organizationOf: (id: Uint8Array) => Organization,
  time: number,
): Use {
  const { request } = pending;
  const use = (
    owner: Uint8Array,
    walletId: Uint8Array,
    account: DerivedAccount | null,
    digest: Uint8Array,
  ): KeyUse => ({
    owner,
    walletId,
    derivationPath: account?.derivationPath ?? '',
    curve: account?.curve ?? '',
    addressFormat: account?.addressFormat ?? '',
    bytesDigest: digest,
  });
  const ownerOf = (wallet: WalletInUse) => wallet.granted?.owner.organization.id ?? draft.organization.id;
  if (isSigning(request)) {
    const wallet = walletInUse(
      pending,
      draft,
      request.params.walletId,
      request.params.policyName,
      organizationOf,
    );
    const account = accountInUse(pending, wallet, request);
    const { stamp } = pending;
    checkSignIn(request, stamp.kind === 'native' && stamp.origin !== 'none' ? stamp.origin : null);
    let accountKey: AccountKeyCell | null = null;
    const keyOf = (): AccountKey | undefined => {
      accountKey = accountKeyInUse(pending, wallet, account) ?? null;
      return accountKey === null ? undefined : accountKeyOf(accountKey, wallet.cell.accounts);
    };
    const reading = readSigning(
      request,
      signingAccount(account),
      homeOf(wallet, draft),
      time,
      ownAddressesOf(wallet.cell),
      keyOf,
    );
    return {
      keyUse: use(ownerOf(wallet), wallet.walletId, account, signedBytesDigest(reading.inputs)),
      effects: reading.effects,
      reading,
      accountKey,
      wallet,
      account,
      paths: account.derivationPath === '' ? null : account.derivationPath,
    };
  }
  switch (request.method) {
    case 'getAccounts': {
      const wallet = walletInUse(pending, draft, request.params.walletId, null, organizationOf);
      return {
        keyUse: use(ownerOf(wallet), wallet.walletId, null, zeroHash),
        effects: null,
        reading: null,
        accountKey: null,
        wallet,
        account: null,
        paths: request.params.accounts.map((account) => account.derivationPath),
      };
    }
    case 'exportWallet': {
      const wallet = walletInUse(
        pending,
        draft,
        request.params.walletId,
        request.params.policyName,
        organizationOf,
      );
      return {
        keyUse: use(ownerOf(wallet), wallet.walletId, null, zeroHash),
        effects: null,
        reading: null,
        accountKey: null,
        wallet,
        account: null,
        paths: null,
      };
    }
    case 'getWalletWithTag':
    case 'getOrCreateWalletWithTag': {
      const walletId = draft.cell('wallet-tag', request.params.tag);
      if (walletId === undefined) throw new KmsError('wallet-not-found', { field: 'params.tag' });
      const wallet = walletInUse(pending, draft, walletId, null, organizationOf);
      return {
        keyUse: use(draft.organization.id, wallet.walletId, null, zeroHash),
        effects: null,
        reading: null,
        accountKey: null,
        wallet,
        account: null,
        paths: null,
      };
    }
    case 'initWalletImport':
    case 'putBackup':
    case 'activateBackup':
    case 'getBackup':
    case 'listBackups':
    case 'deleteBackup':
    case 'forgetGeneration':
    case 'getRealmTokens':
      return {
        keyUse: use(draft.organization.id, new Uint8Array(16), null, zeroHash),
        effects: null,
        reading: null,
        accountKey: null,
        wallet: null,
        account: null,
        paths: null,
      };
    default:
      throw new KmsError('internal', {});
  }
}

/** The wallet that a request of kind `make` is to bring into being, or null when it exists already. */
export function walletToMake(pending: Pending, draft: Draft): Uint8Array | null {
  const { request } = pending;
  const exists =
    request.method === 'getOrCreateWalletWithTag' &&
    draft.cell('wallet-tag', request.params.tag) !== undefined;
  return exists ? null : walletIdOf(pending.organization, pending.identity);
}

/** Writes the cells of a new wallet. */
export function writeWallet(pending: Pending, draft: Draft, walletId: string, time: number): WalletCell {
  const { request, made } = pending;
  if (made === undefined) throw new KmsError('internal', {});
  const { walletName } = request.params as { walletName: string };
  const tags =
    request.method === 'getOrCreateWalletWithTag'
      ? [request.params.tag]
      : request.method === 'createWallet' || request.method === 'completeImportWallet'
        ? request.params.tags
        : [];
  return addToWallets(draft, walletId, {
    name: walletName,
    tags,
    type: made.type,
    accounts: made.accounts,
    createdAtMs: time,
    ...constraintsOf(request),
  });
}

function constraintsOf({ params }: ParsedRequest): Pick<WalletCell, 'constraints'> {
  if (!('constraints' in params)) return {};
  const encoded = KeyConstraints.encode(params.constraints);
  return equalBytes(encoded, KeyConstraints.encode(unconstrained))
    ? {}
    : { constraints: base64urlEncode(encoded) };
}

/**
 * The signer refuses for ever what the constraints of a key do not allow: it must not reserve anything. The signer knows no
 * facts, so this reads the bytes alone too. Throws KmsError `key-constraint`.
 */
export function assertWithinConstraints({ request }: Pending, { wallet, account, reading }: Use): void {
  if (wallet?.cell.constraints === undefined || account === null) return;
  const constraints = KeyConstraints.decode(base64urlDecode(wallet.cell.constraints));
  const addressFormat = account.addressFormat as AddressFormat;
  const broken = signatureBreaks(constraints, request, { addressFormat }, reading?.bare ?? null);
  if (broken !== undefined)
    throw new KmsError('key-constraint', {
      detail: `This wallet is bounded: ${broken}.`,
      extra: { check: 'constraint' },
    });
}

/** Canonical JSON of effects; amounts are decimal strings. */
export function encodeEffects(effects: Effects | null): Uint8Array {
  return effects === null ? new Uint8Array(0) : utf8Encode(canonicalizeWithAmounts(effects));
}

/** The most accounts that an answer shows of a wallet whose request names none. */
const maximumShownAccounts = 64;

/**
 * What the signer's answer shows of a wallet beside its own figures (spec/signer.md §3.2): to a signature nothing but the grant
 * that it is made by.
 */
export function encodeDisplay(request: ParsedRequest, wallet: WalletCell, grant: string | null): Uint8Array {
  if (isSigning(request)) return grant === null ? nothing : encodeJson({ grant });
  const known = grant === null ? displays.get(wallet) : undefined;
  if (known !== undefined) return known;
  const display = displayOf(wallet, grant);
  if (grant === null) displays.set(wallet, display);
  return display;
}

const nothing = new Uint8Array(0);

// A cell is the same object until it is written again.
const displays = new WeakMap<WalletCell, Uint8Array>();

function displayOf(wallet: WalletCell, grant: string | null): Uint8Array {
  return encodeJson({
    walletName: wallet.name,
    tags: wallet.tags,
    ...(wallet.type === 'KEYPAIR'
      ? {}
      : {
          accounts: wallet.accounts
            .slice(0, maximumShownAccounts)
            .map(({ curve, derivationPath, addressFormat }) => ({ curve, derivationPath, addressFormat })),
        }),
    ...(grant === null ? {} : { grant }),
  });
}
