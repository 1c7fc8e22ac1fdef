/**
 * JSON Schemas of results, for the OpenAPI document. They describe what is answered and are not parsed with.
 */
import type { JsonSchema } from './schema.ts';

const text = { type: 'string' } as const;
const uuid = { type: 'string', format: 'uuid' } as const;
const milliseconds = { type: 'integer', description: 'Milliseconds since 1970-01-01T00:00:00Z' } as const;
const timestamp = { type: 'string', format: 'date-time' } as const;
const base64url = { type: 'string', contentEncoding: 'base64url' } as const;

/** An answered object: `optional` names the members that can be absent. */
export function answered(
  properties: Readonly<Record<string, JsonSchema>>,
  optional: readonly string[] = [],
): JsonSchema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties).filter((key) => !optional.includes(key)),
  };
}

export const list = (items: JsonSchema): JsonSchema => ({ type: 'array', items });

const curve = { enum: ['Ed25519', 'Secp256k1'] } as const;
const addressFormat = { enum: ['Solana', 'Ethereum', 'BitcoinSegwit', 'BitcoinTaproot', 'Sui'] } as const;

export const derivedAccount = answered({
  curve,
  derivationPath: text,
  addressFormat,
  address: text,
  publicKey: text,
});

export const authenticator = answered(
  {
    id: uuid,
    authenticatorName: text,
    authenticatorKind: { enum: ['keypair', 'passkey'] },
    publicKey: base64url,
    algorithm: { enum: ['Ed25519', 'Secp256r1'] },
    credentialId: base64url,
    createdAtMs: timestamp,
    expiresAtMs: timestamp,
  },
  ['credentialId', 'expiresAtMs'],
);

export const user = answered(
  {
    username: text,
    policy: { type: 'object' },
    traits: { type: 'object', additionalProperties: text },
    authenticators: list(authenticator),
    createdAtMs: milliseconds,
    expiresAtMs: milliseconds,
    frozen: { const: true },
  },
  ['expiresAtMs', 'frozen'],
);

export const organization = answered(
  {
    organizationId: uuid,
    organizationName: text,
    parentOrganizationId: { type: ['string', 'null'] },
    tags: list(text),
    users: list(user),
    frozen: { const: true },
  },
  ['frozen'],
);

export const wallet = answered(
  {
    walletId: uuid,
    walletName: text,
    tags: list(text),
    type: { enum: ['MNEMONIC', 'KEYPAIR'] },
    accounts: list(derivedAccount),
    account: answered({ curve, addressFormat, address: text, publicKey: text }),
    constraints: {
      type: 'object',
      description: 'What the key may be used for, when it is bounded; answered by the signer',
    },
    frozen: { const: true },
  },
  ['accounts', 'account', 'constraints', 'frozen'],
);

export const page = (member: string, items: JsonSchema): JsonSchema =>
  answered({
    [member]: list(items),
    totalCount: { type: 'integer' },
    limit: { type: 'integer' },
    offset: { type: 'integer' },
  });

/** `signature`: base64url of the raw signature (EVM: 65 bytes r, s, v). */
export const signature = answered({ signature: base64url, address: text, publicKey: text });

export const signedTransaction = answered(
  {
    kind: { enum: ['SOLANA', 'ETHEREUM', 'BITCOIN', 'SUI'] },
    transaction: base64url,
    signature: text,
    address: text,
    publicKey: text,
  },
  ['signature'],
);

export const walletGrant = answered(
  {
    ownerOrganizationId: uuid,
    targetOrganizationId: uuid,
    walletId: uuid,
    policy: { type: 'object' },
    policyName: { type: ['string', 'null'] },
    transactionPolicy: { type: 'object' },
    createdAtMs: milliseconds,
    deletedAtMs: milliseconds,
  },
  ['policyName', 'transactionPolicy', 'deletedAtMs'],
);

export const approvalState = answered(
  {
    subject: base64url,
    method: text,
    params: { type: 'object' },
    requestedBy: text,
    requestedByAuthenticator: uuid,
    createdAtMs: timestamp,
    approvalsNeeded: { type: 'integer' },
    delaySeconds: { type: 'integer' },
    releaseAtMs: timestamp,
    verdicts: list(
      answered({
        username: text,
        verdict: { enum: ['approve', 'reject'] },
        expiresAtMs: timestamp,
        approval: base64url,
      }),
    ),
    rejectedBy: text,
  },
  ['delaySeconds', 'releaseAtMs', 'rejectedBy'],
);
export const approvalList = answered({ approvals: list(approvalState) });

/** The guardians of an organization, and the recovery that runs. */
export const recovery = answered(
  {
    organizationId: uuid,
    guardians: list(text),
    threshold: { type: 'integer' },
    delayMs: { type: 'integer' },
    recoveries: { type: 'integer' },
    open: answered({
      recovery: { type: 'integer' },
      user: { type: 'object' },
      agreed: list(text),
      startedAtMs: timestamp,
      completesAtMs: timestamp,
      endsAtMs: timestamp,
    }),
  },
  ['open'],
);

/** Prices that one source stated. */
export const stated = answered({ organizationId: uuid, source: text, prices: { type: 'integer' } });

/** What one source stated, and whether the outcome stands with it. */
export const statedOutcomes = answered({
  organizationId: uuid,
  source: text,
  outcomes: list(
    answered({ position: { type: 'integer' }, outcome: text, by: text, stands: { type: 'boolean' } }, ['by']),
  ),
});

/** What one source stated of facts, and which of them stand with it. */
export const statedFacts = answered({
  organizationId: uuid,
  source: text,
  facts: list(answered({ kind: text, subject: text, stands: { type: 'boolean' } })),
});

/** What the signer states of a request that a keeper of backups acts on, with the policy engine's statement (spec/backup.md §3). */
export const permitted = answered({ permitted: { const: true }, allowed: text });

export const organizationPolicies = answered({
  organizationId: uuid,
  policies: list(
    answered({ policyName: text, walletId: uuid, policy: { type: 'object' }, mode: { const: 'shadow' } }, [
      'walletId',
      'mode',
    ]),
  ),
});

export const frozenState = answered(
  { organizationId: uuid, username: text, walletId: uuid, frozen: { type: 'boolean' } },
  ['username', 'walletId'],
);

/** What a dry run says: effects read from the bytes, and the decision that would be taken. */
export const preview = answered(
  {
    success: { type: 'boolean' },
    simulationId: text,
    effects: { type: 'object' },
    decision: answered({ outcome: { enum: ['allow', 'deny'] }, rule: text, trace: list(text) }),
    logs: list(text),
    unitsConsumed: { type: 'integer' },
    error: text,
  },
  ['effects', 'decision', 'logs', 'unitsConsumed', 'error'],
);

export const prepared = answered({ transaction: base64url, simulationResult: {} });
export const importEnvelope = answered({ envelope: base64url, publicKey: base64url });
export const exportBundle = answered({ encryptedBundle: base64url });
export const nothing: JsonSchema = { type: 'null' };
