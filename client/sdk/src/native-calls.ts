/** Parameters and results of POST /v1/rpc as they stand in JSON (spec/methods.md §4). Bytes are base64url without padding. */

export type Curve = 'Ed25519' | 'Secp256k1';
export type AddressFormat = 'Solana' | 'Ethereum' | 'BitcoinSegwit' | 'BitcoinTaproot' | 'Sui';
export type ChainName = 'solana' | 'ethereum' | 'bitcoin' | 'sui';
export type AuthenticatorAlgorithm = 'Ed25519' | 'Secp256r1';
export type SigningAlgorithm = 'Ed25519' | 'Secp256k1' | 'Secp256k1Keccak256' | 'Secp256k1Schnorr';
export type MnemonicLength = 12 | 15 | 18 | 21 | 24;

/** A path such as `m/44'/501'/0'/0'`, alone where curve and format follow from it. */
export type DerivationInfo =
  | string
  | { readonly derivationPath: string; readonly curve: Curve; readonly addressFormat: AddressFormat };

export interface NewKeypairAuthenticator {
  readonly authenticatorKind: 'keypair';
  readonly authenticatorName: string;
  readonly algorithm: AuthenticatorAlgorithm;
  readonly publicKey: string;
  /** Proof of possession; needless only for the key that stamps createOrganization. */
  readonly proof?: string;
  readonly stampKinds?: readonly ('native' | 'pki')[];
  readonly expiresInMs?: number;
  readonly ceiling?: Ceiling;
}

/** Names of methods and ids of wallets beyond which no policy lets a key go; an absent list bounds nothing. */
export interface Ceiling {
  /** Root users besides the key's own who must agree to each request that is not a read. */
  readonly approvals?: number;
  readonly actions?: readonly string[];
  readonly wallets?: readonly string[];
}

export interface NewPasskeyAuthenticator {
  readonly authenticatorKind: 'passkey';
  readonly authenticatorName: string;
  readonly credentialId: string;
  readonly attestationObject: string;
  readonly clientDataJSON: string;
  readonly proof: string;
  readonly transports?: readonly string[];
  readonly expiresInMs?: number;
  readonly ceiling?: Ceiling;
}

export type NewAuthenticator = NewKeypairAuthenticator | NewPasskeyAuthenticator;

export type UserPolicy =
  | { readonly type: 'ROOT'; readonly permissions?: readonly 'signRawPayload'[] }
  | {
      readonly type: 'CEL';
      readonly preset: 'ALLOW_ALL';
      readonly permissions?: readonly 'signRawPayload'[];
    }
  | { readonly type: 'CEL'; readonly preset: 'DENY_ALL' | 'LEGACY_USER_ROLE' }
  | {
      readonly type: 'CEL';
      readonly preset: 'DAPP_CONNECTION_USER';
      readonly walletId: string;
      readonly usdLimit?: { readonly usdCentsLimitPerDay: number };
    }
  | {
      readonly type: 'CEL';
      readonly rules: readonly {
        readonly expression: string;
        readonly outcome: 'ALLOW' | 'DENY';
        readonly comment?: string;
      }[];
      readonly constants?: readonly { readonly name: string; readonly value: unknown }[];
    }
  /** A document of the policy language (spec/policy.md §2). */
  | { readonly type: 'POLICY'; readonly policy: unknown };

export interface NewUser {
  readonly username: string;
  readonly policy: UserPolicy;
  readonly authenticators: readonly NewAuthenticator[];
  readonly traits?: Readonly<Record<string, string>>;
  readonly expiresInMs?: number;
}

/** Policies that bind every user of an organization. */
export interface OrganizationPolicies {
  readonly organizationId: string;
  readonly policies: readonly {
    readonly policyName: string;
    readonly walletId?: string;
    readonly policy: unknown;
    /** Present while it is tried and not enforced. */
    readonly mode?: 'shadow';
  }[];
}

/** A request that waits for others, with what they said (spec/approval.md). */
export interface ApprovalState {
  readonly subject: string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly requestedBy: string;
  /** UUID of the authenticator that asked, and has to send the request again. */
  readonly requestedByAuthenticator: string;
  /** ISO 8601. */
  readonly createdAtMs: string;
  readonly approvalsNeeded: number;
  /** What a policy asks the request to wait, and until when: ISO 8601. */
  readonly delaySeconds?: number;
  readonly releaseAtMs?: string;
  readonly verdicts: readonly {
    readonly username: string;
    readonly verdict: 'approve' | 'reject';
    readonly expiresAtMs: string;
    /** What the requester attaches. */
    readonly approval: string;
  }[];
  readonly rejectedBy?: string;
}

/** Who can bring an organization back that lost its root keys, and the recovery that runs (spec/guardians.md). */
export interface RecoveryState {
  readonly organizationId: string;
  /** Usernames; none without guardians. */
  readonly guardians: readonly string[];
  readonly threshold: number;
  readonly delayMs: number;
  /** Recoveries begun so far; the next one has the number after it. */
  readonly recoveries: number;
  readonly open?: {
    readonly recovery: number;
    readonly user: NewUser;
    /** Usernames of the guardians who agreed. */
    readonly agreed: readonly string[];
    /** ISO 8601, as are `completesAtMs` and `endsAtMs`. */
    readonly startedAtMs: string;
    readonly completesAtMs: string;
    readonly endsAtMs: string;
  };
}

/** One user or one wallet, or the whole organization when neither is named. */
export interface Frozen {
  readonly organizationId: string;
  readonly username?: string;
  readonly walletId?: string;
}

export interface Authenticator {
  readonly id: string;
  readonly authenticatorName: string;
  readonly authenticatorKind: 'keypair' | 'passkey';
  readonly algorithm: AuthenticatorAlgorithm;
  readonly publicKey: string;
  readonly credentialId?: string;
  /** ISO 8601, as is `expiresAtMs`. */
  readonly createdAtMs: string;
  readonly expiresAtMs?: string;
}

export interface User {
  readonly username: string;
  readonly policy: UserPolicy;
  readonly traits: Readonly<Record<string, string>>;
  /** Present while it is frozen, as in organizations and wallets. */
  readonly frozen?: true;
  readonly authenticators: readonly Authenticator[];
  /** ISO 8601, as is `expiresAtMs`. */
  readonly createdAtMs: string;
  readonly expiresAtMs?: string;
}

export interface Organization {
  readonly organizationId: string;
  readonly organizationName: string;
  readonly parentOrganizationId: string | null;
  readonly tags: readonly string[];
  readonly users: readonly User[];
  readonly frozen?: true;
}

/** `publicKey`: base58 for Solana, else hexadecimal. */
export interface SingleAccount {
  readonly curve: Curve;
  readonly addressFormat: AddressFormat;
  readonly address: string;
  readonly publicKey: string;
}

export interface Account extends SingleAccount {
  /** Absent for the account of a single-key wallet. */
  readonly derivationPath?: string;
}

export interface Wallet {
  readonly walletId: string;
  readonly walletName: string;
  readonly tags: readonly string[];
  readonly type: 'MNEMONIC' | 'KEYPAIR';
  /** Of a mnemonic. */
  readonly accounts?: readonly Account[];
  /** Of a single key. */
  readonly account?: SingleAccount;
  /** What the key may be used for, where that is bounded. */
  readonly constraints?: WalletConstraints;
  readonly frozen?: true;
}

/** Fixed when a wallet is made, sealed with its key, and held to by the signer whatever a policy allows. */
export interface WalletConstraints {
  /** `solana`, `bip122`, `sui`, `eip155`, or EVM networks such as `eip155:1`; left out: all. */
  readonly networks?: readonly string[];
  /** Left out: ALL. */
  readonly signs?: 'ALL' | 'MESSAGES' | 'TRANSACTIONS';
  /** The most of each CAIP-19 asset that one signature may spend, in base units; other assets may not be spent. */
  readonly caps?: readonly { readonly asset: string; readonly amount: string }[];
  /** Whether the key may be exported; left out: true. */
  readonly export?: boolean;
}

export interface WalletShape {
  readonly accounts?: readonly DerivationInfo[];
  readonly mnemonicLength?: MnemonicLength;
  readonly curve?: Curve;
  readonly addressFormat?: AddressFormat;
}

/** A wallet that is made. */
export interface NewWallet extends WalletShape {
  readonly constraints?: WalletConstraints;
}

export interface GrantScopes {
  readonly version: 'v0';
  readonly scopes: readonly (
    | 'owner'
    | 'signaturePayload'
    | 'signatureTransaction'
    | 'ethereumSignMessage'
    | 'ethereumSignTypedData'
    | 'exportWallet'
  )[];
  readonly derivationAllowlist?: readonly string[];
}

/** Rules for users of the other organization, as a user's policy of type CEL has them (spec/policy.md §8). */
export type GrantRules = {
  readonly version: 'v1';
  /** Whether root users of the other organization may do what the owner may, from a time on where it names one. */
  readonly rootAccess:
    | { readonly type: 'ALWAYS' }
    | { readonly type: 'NONE' }
    | { readonly type: 'AFTER_TIMESTAMP'; readonly timestampMs: number };
} & WithoutType<Extract<UserPolicy, { type: 'CEL' }>>;
type WithoutType<P> = P extends unknown ? Omit<P, 'type'> : never;

export type GrantPolicy = GrantScopes | GrantRules;

/** Rules about Solana transactions, as published clients write them (spec/policy.md §8.1). */
export interface TransactionPolicy {
  readonly version: 'v0';
  readonly solana?: {
    readonly rules: readonly ({ readonly rule: string } & Readonly<Record<string, unknown>>)[];
  };
}

export interface WalletGrant {
  readonly ownerOrganizationId: string;
  readonly targetOrganizationId: string;
  readonly walletId: string;
  readonly policy: GrantPolicy;
  readonly transactionPolicy?: TransactionPolicy;
  readonly policyName?: string | null;
  readonly createdAtMs: string;
  readonly deletedAtMs?: string;
}

export interface Signature {
  /** EVM: 65 bytes r, s, v with v 27 or 28. Sui: 97. Others: 64. */
  readonly signature: string;
  readonly address: string;
  readonly publicKey: string;
}

export interface SignedTransaction {
  readonly kind: 'SOLANA' | 'ETHEREUM' | 'BITCOIN' | 'SUI';
  /** The chain's wire form; a PSBT carries its signatures inside. */
  readonly transaction: string;
  readonly signature?: string;
  readonly address: string;
  readonly publicKey: string;
}

export interface TypedData {
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;
  readonly primaryType: string;
  readonly domain: {
    readonly name?: string;
    readonly version?: string;
    readonly chainId?: string | number;
    readonly verifyingContract?: string;
    readonly salt?: string;
  };
  readonly message: Readonly<Record<string, unknown>>;
}

export interface Preview {
  readonly success: boolean;
  readonly simulationId: string;
  readonly effects?: Readonly<Record<string, unknown>>;
  readonly decision?: {
    readonly outcome: 'allow' | 'deny';
    readonly rule: string;
    readonly trace: readonly string[];
  };
  readonly logs?: readonly string[];
  readonly unitsConsumed?: number;
  readonly error?: string;
}

interface InOrganization {
  readonly organizationId: string;
}

interface OfWallet extends InOrganization {
  readonly walletId: string;
}

interface Signing extends OfWallet {
  /** Needless for a single-key wallet only. */
  readonly derivationInfo?: DerivationInfo;
  /** Names the grant to act under, where several stand. */
  readonly policyName?: string;
}

interface OfUser extends InOrganization {
  readonly username: string;
}

interface Recovering extends InOrganization {
  readonly recovery: number;
  readonly user: NewUser;
}

/** A keeper of backups acts on it; by itself it releases nothing (spec/backup.md). */
export interface Permitted {
  readonly permitted: true;
  /** base64url: the policy engine's own statement that it allowed the request. */
  readonly allowed: string;
}

interface OfBackup extends InOrganization {
  readonly session: string;
  readonly backupName: string;
}

interface OfGeneration extends OfBackup {
  readonly generation: string;
}

interface Between {
  readonly ownerOrganizationId: string;
  readonly targetOrganizationId: string;
  readonly walletId: string;
}

interface Page {
  readonly limit?: number;
  readonly offset?: number;
}

interface Paged {
  readonly totalCount: number;
  readonly limit: number;
  readonly offset: number;
}

/** Every method of the native surface that can succeed, by name. */
export interface NativeCalls {
  addUserToOrganization: {
    params: InOrganization & { readonly user: NewUser; readonly replaceExpirable?: boolean };
    result: Organization;
  };
  completeImportWallet: {
    params: InOrganization &
      NewWallet & {
        readonly walletName: string;
        readonly tags?: readonly string[];
        readonly importEnvelope: { readonly envelope: string; readonly publicKey: string };
        readonly encryptedSecret: string;
      };
    result: Wallet;
  };
  createAuthenticator: {
    params: OfUser & { readonly authenticator: NewAuthenticator; readonly replaceExpirable?: boolean };
    result: Authenticator;
  };
  createOrganization: {
    params: {
      readonly organizationName: string;
      readonly users: readonly NewUser[];
      readonly tags?: readonly string[];
    };
    result: Organization;
  };
  createWallet: {
    params: InOrganization & NewWallet & { readonly walletName: string; readonly tags?: readonly string[] };
    result: Wallet;
  };
  deleteAuthenticator: { params: OfUser & { readonly authenticatorId: string }; result: Authenticator };
  deleteUserFromOrganization: { params: OfUser; result: Organization };
  ethereumSignMessage: { params: Signing & { readonly message: string }; result: Signature };
  ethereumSignTypedData: { params: Signing & { readonly typedData: TypedData }; result: Signature };
  exportWallet: {
    params: OfWallet & { readonly publicKey: string; readonly policyName?: string };
    result: { readonly encryptedBundle: string };
  };
  approve: {
    params: InOrganization & {
      readonly subject: string;
      readonly verdict: 'approve' | 'reject';
      readonly expiresInMs: number;
    };
    result: ApprovalState;
  };
  cancelRecovery: { params: InOrganization & { readonly recovery: number }; result: RecoveryState };
  completeRecovery: { params: Recovering; result: RecoveryState };
  freeze: { params: Frozen; result: Frozen & { readonly frozen: true } };
  getAccounts: {
    params: OfWallet & { readonly accounts: readonly DerivationInfo[] };
    result: readonly Account[];
  };
  getApprovals: {
    params: InOrganization & { readonly subject?: string };
    result: { readonly approvals: readonly ApprovalState[] };
  };
  getRecovery: { params: InOrganization; result: RecoveryState };
  getOrCreateWalletWithTag: {
    params: InOrganization & NewWallet & { readonly walletName: string; readonly tag: string };
    result: Wallet;
  };
  getOrganization: { params: InOrganization; result: Organization };
  /** Stated by the policy engine alone: an address to receive on is to be had from getAccounts. */
  getOrganizationWallets: {
    params: InOrganization & Page;
    result: Paged & { readonly wallets: readonly Wallet[] };
  };
  getWalletAccessGrants: {
    params: Between & Page;
    result: Paged & { readonly grants: readonly WalletGrant[] };
  };
  getWalletWithTag: {
    params: InOrganization & { readonly tag: string; readonly accounts?: readonly DerivationInfo[] };
    result: Wallet;
  };
  grantOrganizationAccess: {
    params: Between & {
      readonly policy: GrantPolicy;
      readonly policyName?: string;
      readonly transactionPolicy?: TransactionPolicy;
    };
    result: WalletGrant;
  };
  /** `current`: the generation that is known to be in use, another one is not replaced; left away where none is. */
  activateBackup: { params: OfGeneration & { readonly current?: string }; result: Permitted };
  deleteBackup: { params: OfGeneration; result: Permitted };
  forgetGeneration: { params: OfGeneration; result: Permitted };
  getBackup: { params: OfBackup & { readonly generation?: string }; result: Permitted };
  getRealmTokens: {
    params: OfGeneration & {
      readonly scope: 'register' | 'recover' | 'status' | 'delete';
      /** base64url, Ed25519: the tokens serve nobody else. */
      readonly deviceKey?: string;
    };
    result: Permitted;
  };
  listBackups: { params: InOrganization & { readonly session: string }; result: Permitted };
  putBackup: { params: OfGeneration & { readonly digest: string }; result: Permitted };
  initWalletImport: {
    params: InOrganization;
    result: { readonly envelope: string; readonly publicKey: string };
  };
  listPendingMigrations: {
    params: InOrganization;
    result: { readonly pendingMigrations: readonly { readonly migrationId: string }[] };
  };
  revokeOrganizationAccess: { params: Between & { readonly targetPolicyName?: string }; result: WalletGrant };
  signRawPayload: {
    params: Signing & { readonly payload: string; readonly algorithm: SigningAlgorithm };
    result: Signature;
  };
  signTransaction: {
    params: Signing & {
      readonly chain: ChainName;
      readonly transaction: string;
      /** Of an EVM transaction: base units that its fee may be; approvals then leave nonce and prices open. */
      readonly maximumFee?: string;
      /** CAIP-2; sends the signed transaction there too. */
      readonly network?: string;
    };
    result: SignedTransaction;
  };
  signUtf8Message: {
    params: Signing & { readonly message: string; readonly algorithm: SigningAlgorithm };
    result: Signature;
  };
  simulateTransaction: {
    params: OfWallet & {
      readonly chain: ChainName;
      readonly transaction: string;
      readonly derivationInfo?: DerivationInfo;
    };
    result: Preview;
  };
  startRecovery: { params: Recovering; result: RecoveryState };
  transferOrganizationWallet: {
    params: Between & { readonly retainPolicy?: GrantPolicy };
    result: WalletGrant;
  };
  updatePolicy: {
    params: InOrganization & {
      readonly policyName: string;
      readonly walletId?: string;
      /** A document of the policy language; null removes the policy. */
      readonly policy: unknown;
      /** A shadow is tried on every request and refuses none; enforce when absent. */
      readonly mode?: 'enforce' | 'shadow';
    };
    result: OrganizationPolicies;
  };
  getPolicies: { params: InOrganization; result: OrganizationPolicies };
  stateFacts: {
    params: InOrganization & {
      readonly facts: readonly (
        | {
            readonly kind: 'lookup-table-entry';
            readonly table: string;
            readonly index: number;
            readonly address: string;
          }
        | {
            readonly kind: 'token-account';
            readonly account: string;
            readonly mint: string;
            readonly owner: string;
          }
        | { readonly kind: 'object-type'; readonly object: string; readonly type: string }
      )[];
    };
    result: InOrganization & {
      readonly source: string;
      readonly facts: readonly {
        readonly kind: string;
        readonly subject: string;
        /** Whether two operators agree, so that decisions rest on it. */
        readonly stands: boolean;
      }[];
    };
  };
  stateOutcomes: {
    params: InOrganization & {
      readonly outcomes: readonly {
        /** Of the entry that let the transaction be signed. */
        readonly position: number;
        readonly outcome: 'landed' | 'failed' | 'replaced' | 'expired';
        /** Id of the transaction that was included, its own or the other one's. */
        readonly by?: string;
      }[];
    };
    result: InOrganization & {
      readonly source: string;
      readonly outcomes: readonly {
        readonly position: number;
        readonly outcome: string;
        readonly by?: string;
        /** Whether two operators agree: then it is final. */
        readonly stands: boolean;
      }[];
    };
  };
  statePrices: {
    params: InOrganization & {
      readonly prices: readonly {
        readonly asset: string;
        readonly microsPerUnit: string;
        readonly decimals: number;
      }[];
    };
    result: InOrganization & { readonly source: string; readonly prices: number };
  };
  updateOrganization: { params: InOrganization & { readonly rootThreshold: number }; result: Organization };
  updateGuardians: {
    params: InOrganization & {
      readonly guardians: readonly string[];
      readonly threshold: number;
      /** 48 hours to 90 days; 72 hours when absent. */
      readonly delayMs?: number;
    };
    result: RecoveryState;
  };
  unfreeze: { params: Frozen; result: Frozen & { readonly frozen: false } };
  updateAuthenticator: {
    params: OfUser & {
      readonly authenticatorId: string;
      readonly authenticator: { readonly authenticatorName?: string; readonly expiresInMs?: number };
    };
    result: Authenticator;
  };
  updateUserInOrganization: {
    params: OfUser & {
      readonly newPolicy?: UserPolicy;
      readonly addTraits?: Readonly<Record<string, string>>;
      readonly removeTraits?: readonly string[];
    };
    result: Organization;
  };
}

export type NativeMethod = keyof NativeCalls;
export type ParamsOf<M extends NativeMethod> = NativeCalls[M]['params'];
export type ResultOf<M extends NativeMethod> = NativeCalls[M]['result'];
