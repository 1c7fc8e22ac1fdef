/**
 * Every stable error code of the product, in one table, and the error that carries one.
 * `spec/methods.md §5` is the written form; the OpenAPI document and docs/errors are generated from this table.
 */
import { ChainError } from '@keystead/chains/error';

interface ErrorKind {
  /** HTTP status; 4xx when the caller can act, 5xx when the operator must. Never 2xx. */
  readonly status: number;
  /** Short and constant for the code. */
  readonly title: string;
  /** What to do next, one sentence, shown to the caller. */
  readonly hint: string;
  /** For the reference: when it happens and what the caller should do. */
  readonly meaning: string;
}

const kind = (status: number, title: string, hint: string, meaning: string): ErrorKind => ({
  status,
  title,
  hint,
  meaning,
});

const retryAsIs = 'Send the identical bytes again; a decided request is never decided twice.';

/** Code to status, title, hint and meaning. A code is never renamed and never reused. */
export const errorCodes = {
  // The bytes of the request
  'request-malformed': kind(
    400,
    'Malformed request',
    'Send one JSON object with the members that spec/methods.md §1 lists.',
    'The body or its envelope has the wrong shape. Nothing was decided; correct it and send it again.',
  ),
  'request-too-large': kind(
    413,
    'Request too large',
    'Send at most 256 KiB.',
    'The body exceeds the limit of the route. Nothing was read beyond it.',
  ),
  'json-malformed': kind(
    400,
    'Malformed JSON',
    'Serialize with an ordinary JSON writer: no duplicate keys, no trailing bytes, plain UTF-8.',
    'The body is not strict JSON (RFC 8259 without duplicate keys, lone surrogates or unsafe numbers).',
  ),
  'method-unknown': kind(
    400,
    'Unknown method',
    'See spec/methods.md for the methods of this surface.',
    'No method of this surface has that name. Names are case-sensitive.',
  ),
  'parameter-invalid': kind(
    400,
    'Invalid parameter',
    'Correct the parameter that `field` names.',
    'One parameter is missing, unknown, of the wrong type or out of range; `field` is its path.',
  ),
  'not-supported': kind(
    400,
    'Not supported',
    'Leave out what `field` names, or use the alternative that the detail gives.',
    'The request is understood, and this deployment does not offer it. It is refused rather than accepted without effect.',
  ),
  'not-found': kind(
    404,
    'No such route',
    'See /openapi.json for the routes.',
    'The path is not a route of this server.',
  ),
  'method-not-allowed': kind(
    405,
    'HTTP method not allowed',
    'Use the HTTP method that the Allow header names.',
    'The route exists, with another HTTP method.',
  ),

  // Who asks
  'stamp-missing': kind(
    401,
    'Stamp missing',
    'Stamp the request with an authenticator key (spec/stamp.md).',
    'The route needs a stamp and the request has none.',
  ),
  'stamp-malformed': kind(
    400,
    'Malformed stamp',
    'Make exactly one stamp as spec/stamp.md describes.',
    'The stamp could not be read: encoding, member, length, or more than one stamp.',
  ),
  'stamp-invalid': kind(
    401,
    'Invalid stamp',
    'Stamp exactly the bytes that are sent, with the registered key.',
    'The signature does not verify over these bytes with that key.',
  ),
  'stamp-expired': kind(
    401,
    'Stamp outside its time',
    'Check the clock of this machine, then stamp again.',
    'The stamp, or timestampMs, is too old, in the future, or valid for too long.',
  ),
  'stamp-kind-not-allowed': kind(
    403,
    'Stamp kind not allowed',
    'Use the kind of stamp that this authenticator was registered for.',
    'The authenticator exists and may not make this kind of stamp.',
  ),
  'deployment-mismatch': kind(
    401,
    'Stamped for another deployment',
    'Read /v1/deployment and stamp with its deployment id.',
    'The stamp names another deployment. A stamp is valid in one deployment only.',
  ),
  'authenticator-unknown': kind(
    401,
    'Unknown authenticator',
    'Register this key with the organization, or stamp with a registered one.',
    'The organization has no authenticator with that key.',
  ),
  'authenticator-expired': kind(
    401,
    'Authenticator expired',
    'Ask a root user to renew it, or log in again.',
    'The authenticator was registered and its time is over.',
  ),
  'user-frozen': kind(
    403,
    'User frozen',
    'Ask a root user to unfreeze this user.',
    'The user was frozen: none of its authenticators acts until a root user unfreezes it.',
  ),
  'organization-frozen': kind(
    403,
    'Organization frozen',
    'Ask a root user of the organization that owns the wallet to unfreeze it.',
    'The organization was frozen: it signs nothing and changes only in ways that take rights away.',
  ),
  'wallet-frozen': kind(
    403,
    'Wallet frozen',
    'Ask a root user of the organization that owns the wallet to unfreeze it.',
    'The wallet was frozen: its keys are not used, exported or transferred.',
  ),
  'user-expired': kind(
    401,
    'User expired',
    'Ask a root user to add the user again.',
    'The user that the authenticator belongs to was ephemeral and its time is over.',
  ),
  'public-key-unacceptable': kind(
    400,
    'Public key not acceptable',
    'Make a new key pair; use Ed25519 or P-256.',
    'The bytes are no key that can be trusted: off the curve, low order, or not canonical.',
  ),
  'possession-proof-missing': kind(
    400,
    'Proof of possession missing',
    'Sign the possession statement of spec/stamp.md with the new key and send it as `proof`.',
    'A key is registered on the native surface only with proof that the caller holds it.',
  ),
  'possession-proof-invalid': kind(
    400,
    'Proof of possession invalid',
    'Sign the possession statement for this organization and this key.',
    'The proof does not verify for that key, organization and deployment.',
  ),

  // What it is about
  'organization-not-found': kind(
    404,
    'No such organization',
    'Check organizationId.',
    'No organization has that id here, or the caller may not know of it.',
  ),
  'wallet-not-found': kind(
    404,
    'No such wallet',
    'Check walletId and organizationId.',
    'The organization neither owns a wallet with that id or tag nor has a grant on it.',
  ),
  'user-not-found': kind(
    404,
    'No such user',
    'Check username; it is compared exactly.',
    'The organization has no user with that name.',
  ),
  'authenticator-not-found': kind(
    404,
    'No such authenticator',
    'Check authenticatorId and username.',
    'The user has no authenticator with that id.',
  ),
  'policy-not-found': kind(
    404,
    'No such policy',
    'Check policyName; it is compared exactly.',
    'The organization has no policy of that name.',
  ),
  'grant-not-found': kind(
    404,
    'No such grant',
    'List the grants with getWalletAccessGrants.',
    'No grant stands between these organizations on that wallet under that policy name.',
  ),
  'user-exists': kind(
    409,
    'User exists',
    'Choose another username, or update the user.',
    'The organization has a user with that name.',
  ),
  'authenticator-exists': kind(
    409,
    'Authenticator exists',
    'Use the authenticator that is registered, or delete it first.',
    'That key is already registered in this organization.',
  ),
  'grant-exists': kind(
    409,
    'Grant exists',
    'Give the new grant its own policyName, or revoke the old one.',
    'A grant with that policy name already stands between these organizations on that wallet.',
  ),
  'limit-users': kind(
    409,
    'Too many users',
    'Delete a user, or send replaceExpirable to replace the oldest expirable one.',
    'The organization has as many users as it may.',
  ),
  'limit-authenticators': kind(
    409,
    'Too many authenticators',
    'Delete one, or send replaceExpirable to replace the oldest expirable one.',
    'The user has as many authenticators as it may.',
  ),
  'limit-approvals': kind(
    409,
    'Too many open approvals',
    'Let somebody approve or reject what is open, or wait until it expires.',
    'The organization, or the user, has as many requests waiting for approvals as it may.',
  ),
  'approval-required': kind(
    403,
    'Approval required',
    'Let others send approve for `subject`, then send the request again with their approvals (spec/approval.md).',
    'Others have to agree first; `approvalsNeeded` says how many. On the native surface the request now waits under `subject`.',
  ),
  'delay-required': kind(
    403,
    'Delay required',
    'Send the same request again at `releaseAtMs` or later; until then anybody who may approve can reject `subject`.',
    'A policy lets this pass only after a delay. On the native surface the request now waits under `subject`.',
  ),
  'approval-invalid': kind(
    403,
    'Approval does not count',
    'Read the approvals of the subject with getApprovals and attach those.',
    'An attached approval is malformed, of somebody who may not give it, for something else, expired, or used already.',
  ),
  'approval-not-found': kind(
    404,
    'No such subject',
    'List what waits for approvals with getApprovals.',
    'Nothing waits for approvals under that subject: it was never asked for, is done, or its time is over.',
  ),
  'approval-rejected': kind(
    403,
    'Rejected',
    'Ask the user who rejected it; the same request can be made again after seven days.',
    'Somebody said no to this request.',
  ),
  'guardian-required': kind(
    403,
    'Guardian required',
    'Let a guardian of the organization ask, or a root user name guardians with updateGuardians.',
    'Only guardians of the organization bring it back, and as many as it wants have to agree.',
  ),
  'recovery-open': kind(
    409,
    'Recovery runs',
    'Wait for its end, or let a root user or a guardian cancel it with cancelRecovery.',
    'A recovery of the organization runs already.',
  ),
  'recovery-not-open': kind(
    409,
    'No such recovery',
    'Read the recovery that runs with getRecovery, or begin one with startRecovery.',
    'No recovery of that number runs: it was never begun, was cancelled or completed, or its time is over.',
  ),
  'recovery-too-early': kind(
    403,
    'Recovery delayed',
    'Send a new request at `completesAtMs` or later.',
    'The delay of the recovery is not over; root users and guardians may cancel it.',
  ),
  'user-is-guardian': kind(
    409,
    'User is a guardian',
    'Take the user out of the guardians with updateGuardians first.',
    'The user is a guardian of the organization.',
  ),
  'root-required': kind(
    400,
    'Root user required',
    'Include a ROOT user with an authenticator that does not expire.',
    'An organization cannot be without a root user that can act.',
  ),
  'receiver-root-required': kind(
    403,
    'Receiver has not agreed',
    'Stamp with a key that the receiving organization has registered for a root user, too.',
    'A wallet goes only to an organization of which the stamping key is a root key as well.',
  ),
  'last-root-authenticator': kind(
    409,
    'Last root authenticator',
    'Register another root authenticator first.',
    'The change would leave the organization without anyone who can act as root.',
  ),

  // What is decided
  'policy-denied': kind(
    403,
    'Denied by policy',
    'Ask a root user of the organization for a policy that allows this.',
    'The policy engine decided no; `rule` names the rule, `trace` how it got there. The denial is final for these bytes.',
  ),
  'policy-too-complex': kind(
    403,
    'Policies too complex',
    'Split the transaction into smaller ones, or ask a root user to shorten what `rule` names.',
    'All policies together would take more steps over this request than one decision may; `rule` has the most of them.',
  ),
  'raw-payload-not-permitted': kind(
    403,
    'Raw payloads not permitted',
    'Sign a message, typed data or a transaction; or let a root user give the permission signRawPayload.',
    'Signing bytes of unknown meaning is a permission of its own, and this user does not have it.',
  ),
  'message-is-transaction': kind(
    403,
    'Message is a transaction',
    'Use signTransaction, so that its effects are decided on.',
    'The bytes to be signed as a message could be used as a transaction or authorisation. Always refused.',
  ),
  'sign-in-elsewhere': kind(
    403,
    'Sign-in to another site',
    'Let the site that the message names ask for the signature.',
    'The message signs in to another site than the one whose page asks. Always refused.',
  ),
  'spending-limit-exceeded': kind(
    400,
    'Spending limit exceeded',
    'Lower the amount, wait until the window passes, or ask for a higher limit.',
    'A limit would be exceeded, or could not be evaluated; `limit` says which one and by how much, and for limits in US dollars previousSpendCents, transactionSpendCents, totalSpendCents and limitCents do. The denial is final for these bytes.',
  ),
  'rate-limit-exceeded': kind(
    429,
    'Rate limit exceeded',
    'Wait until the window passes, then make a new request.',
    'A limit of the number of requests would be exceeded; `limit` says which one. The denial is final for these bytes.',
  ),
  'too-many-requests': kind(
    429,
    'Too many requests',
    'Wait as long as Retry-After says, then send the identical bytes again.',
    'The authenticator, its user or its organization has made as many requests in a minute as the operator lets it. Nothing was decided.',
  ),
  'transaction-blocked': kind(
    400,
    'Transaction blocked',
    'Do not sign it; `scannerResult` says why.',
    'The transaction holds what is denied unless a rule of the policy names it: a change of control, an amount that nothing bounds, or what does not follow from its bytes. The denial is final for these bytes.',
  ),

  // The transaction and the key
  'transaction-malformed': kind(
    400,
    'Malformed transaction',
    'Serialize the transaction with the library of its chain.',
    'The bytes are not a canonical transaction of that chain.',
  ),
  'transaction-version-unsupported': kind(
    400,
    'Transaction version not supported',
    'Use one of the versions that docs/understands.md lists.',
    'The format or version is known and is not signed here.',
  ),
  'transaction-not-ours': kind(
    400,
    'Not ours to sign',
    'Check walletId and the derivation path.',
    'The transaction does not ask for the signature of this account.',
  ),
  'transaction-not-understood': kind(
    400,
    'Transaction not understood',
    'Use a construct that docs/understands.md lists; `field` names the one in the way.',
    'A part has no defined meaning here, so nothing can be decided about it.',
  ),
  'transaction-unsafe': kind(
    400,
    'Transaction unsafe',
    'Build it without the construct that `field` names.',
    'The transaction holds a construct that is always refused.',
  ),
  'transaction-too-complex': kind(
    400,
    'Transaction too complex',
    'Split the transaction into several smaller ones.',
    'Reading it takes more steps, or its effects more room, than one decision allows.',
  ),
  'transaction-already-signed': kind(
    400,
    'Transaction already signed',
    'Send the transaction unsigned, or broadcast it as it is.',
    'The place of our signature is taken. Nothing is signed twice.',
  ),
  'transaction-incomplete': kind(
    400,
    'Transaction incomplete',
    'Add what `field` names, so that the effects follow from the bytes.',
    'A part that is needed to decide or to sign is missing, e.g. the spent output of a PSBT input.',
  ),
  'typed-data-malformed': kind(
    400,
    'Malformed typed data',
    'Send EIP-712 typed data whose types, domain and message agree.',
    'The typed data is not valid EIP-712: a type is missing, unused or recursive, or a value does not fit its type.',
  ),
  'address-malformed': kind(
    400,
    'Malformed address',
    'Write the address as its chain does, with a correct checksum.',
    'A text is no address of that chain.',
  ),
  'address-format-unsupported': kind(
    400,
    'Address format not supported',
    'Use an address format of that curve.',
    'No address of that format exists for that key.',
  ),
  'derivation-path-invalid': kind(
    400,
    'Invalid derivation path',
    "Write it as m/44'/501'/0'/0'; Ed25519 needs every level hardened.",
    'The path cannot be read or not be derived on that curve.',
  ),
  'derivation-path-ambiguous': kind(
    400,
    'Ambiguous derivation path',
    'Send an object {derivationPath, curve, addressFormat} instead of the bare path.',
    'Curve and address format do not follow from the path.',
  ),
  'curve-mismatch': kind(
    400,
    'Curve mismatch',
    'Use an algorithm and address format of the curve of the key.',
    'Curve, algorithm, address format or chain do not belong together.',
  ),

  // Import and export
  'import-disabled': kind(
    403,
    'Import disabled',
    'Import through the native surface, or let the operator turn it on.',
    'Import through this surface is off, since its clients cannot check the import key.',
  ),
  'import-invalid': kind(
    400,
    'Import not readable',
    'Ask for a new envelope with initWalletImport and encrypt for its public key.',
    'The envelope is not ours, is of another caller or old, or the secret in it could not be opened or is no valid secret.',
  ),
  'export-disabled': kind(
    403,
    'Export disabled',
    'Ask the operator of the deployment.',
    'The operator has turned export off.',
  ),
  'export-key-unacceptable': kind(
    400,
    'Export key not acceptable',
    'Send a fresh X25519 public key of 32 bytes.',
    'The key to export to has low order or the wrong length.',
  ),

  // The chain
  'network-not-configured': kind(
    400,
    'Network not configured',
    'Use a network that /v1/deployment lists, or let the operator configure an endpoint.',
    'The network is unknown or has no RPC endpoint here.',
  ),
  'broadcast-failed': kind(
    502,
    'Broadcast failed',
    'The transaction is signed: look for it on the chain before making another.',
    'The node refused or did not answer. Signing was decided and stands.',
  ),

  // The deployment
  'organization-creation-closed': kind(
    403,
    'Creating organizations is closed',
    'Ask the operator of the deployment.',
    'Only operators may create organizations here.',
  ),
  'organization-quota': kind(
    429,
    'Organization quota used up',
    'Wait, or ask the operator for a larger quota.',
    'The quota for new organizations is used up.',
  ),
  'organization-unconfirmed': kind(
    409,
    'Organization not confirmed',
    'Let a root user of the organization read it and then freeze it: `keystead org show`, `keystead org freeze`.',
    'The heads log was lost or restored. Nothing is decided before a root has confirmed the end of the chain.',
  ),
  'organization-locked': kind(
    503,
    'Organization locked',
    'Tell the operator; `keystead ledger verify` names the first bad entry.',
    'Stored rows of this organization do not verify. Nothing is decided for it until that is resolved.',
  ),
  'state-rolled-back': kind(
    503,
    'State rolled back',
    'Tell the operator; the stored history is older than what this client has seen.',
    'The deployment has lost history that was already stated. Nothing is signed on it.',
  ),
  'request-expired-before-commit': kind(
    503,
    'Expired before it was committed',
    'Stamp and send the request again.',
    'The request waited longer than its stamp is valid. Nothing was decided.',
  ),
  overloaded: kind(
    503,
    'Overloaded',
    'Wait as long as Retry-After says, then send the identical bytes again.',
    'The request was shed before it was decided.',
  ),
  unavailable: kind(503, 'Unavailable', retryAsIs, 'A part of the service does not answer at the moment.'),
  'frame-forged': kind(
    500,
    'Message between enclaves refused',
    'Report it to the operator: something between the enclaves altered a message.',
    'A message between two enclaves carries a MAC that its sender did not make. Nothing was decided or signed.',
  ),
  'request-superseded': kind(
    409,
    'Superseded by a later change',
    'Stamp a new request: this one is decided for ever, and what it was permitted was taken back before it was signed.',
    'Between decision and signature the organization took something back (a key, a user, a grant). Nothing was signed.',
  ),
  'key-constraint': kind(
    403,
    'The key may not be used for this',
    'Use another wallet: what a key may be used for is fixed when its wallet is made.',
    'The signer holds to the constraints that were sealed with the wallet, whatever policy says. Nothing was signed.',
  ),
  'signer-refused': kind(
    503,
    'The signer refused',
    retryAsIs,
    'One of the checks that the signer makes by itself failed; `detail` names it. Nothing was signed.',
  ),
  'answer-unverified': kind(
    502,
    'Answer not verified',
    'Do not use the answer. Check that the pinned deployment is the one that you talk to.',
    'Made by a client, never sent: no enclave of the pinned deployment states this answer to this request.',
  ),
  'answer-rolled-back': kind(
    502,
    'Answer from an older history',
    'Tell the operator; do not act on what this deployment answers until that is resolved.',
    'Made by a client, never sent: the answer stands behind, or beside, what this client was told before.',
  ),
  internal: kind(
    500,
    'Internal error',
    'Give the request id to the operator.',
    'A defect of this server. The request may have been decided: retry with identical bytes only.',
  ),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorCodes;

/** True when `code` is one of the stable codes. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

/** Members of an error beside the constant ones; values must be JSON and must not be secret. */
export type ErrorExtra = Readonly<Record<string, unknown>>;

export interface KmsErrorOptions {
  /** One sentence for a person, without secrets. Default: the title of the code. */
  readonly detail?: string;
  /** Path of the parameter or part that caused it, `params.users[0].username`. */
  readonly field?: string | undefined;
  /** What to do next, where more can be said than the hint of the code. */
  readonly hint?: string | undefined;
  /** Members that belong to the code, e.g. `rule` and `trace` of `policy-denied`. */
  readonly extra?: ErrorExtra | undefined;
  /** Stays inside the process; never part of an answer. */
  readonly cause?: unknown;
}

/** The one error of the product. `code` is stable, everything else is for people. */
export class KmsError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly field: string | undefined;
  readonly hint: string;
  readonly extra: ErrorExtra | undefined;

  constructor(code: ErrorCode, options: KmsErrorOptions = {}) {
    const known = errorCodes[code];
    super(options.detail ?? known.title, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KmsError';
    this.code = code;
    this.status = known.status;
    this.title = known.title;
    this.detail = options.detail ?? known.title;
    this.field = options.field;
    this.hint = options.hint ?? known.hint;
    this.extra = options.extra;
  }
}

/**
 * Any thrown value as a KmsError: a ChainError keeps its code where it is a stable one (`field` is its own, or the
 * one given); everything else becomes `internal` with the value as cause and none of its text.
 */
export function toKmsError(thrown: unknown, field?: string): KmsError {
  if (thrown instanceof KmsError) return thrown;
  if (thrown instanceof ChainError) {
    const code = thrown.code === 'derivation-path-malformed' ? 'derivation-path-invalid' : thrown.code;
    if (!isErrorCode(code)) return new KmsError('internal', { cause: thrown });
    return new KmsError(code, { detail: thrown.message, field: thrown.field ?? field, cause: thrown });
  }
  return new KmsError('internal', { cause: thrown });
}

/** JSON body of an error answer. `type` equals `code`; `error` and `message` serve clients that show only those. */
export interface ErrorBody {
  readonly type: ErrorCode;
  readonly title: string;
  readonly detail: string;
  readonly message: string;
  readonly error: string;
  readonly code: ErrorCode;
  readonly requestId: string;
  readonly field?: string;
  readonly hint: string;
  readonly [extra: string]: unknown;
}

/**
 * The body that answers with `error`, under the HTTP status `error.status`. Members of `extra` never replace the
 * constant ones. `message` holds detail, hint and code, because published clients show that member alone.
 */
export function errorBody(error: KmsError, requestId: string): ErrorBody {
  return {
    ...error.extra,
    type: error.code,
    title: error.title,
    detail: error.detail,
    message: `${sentence(error.detail)} ${sentence(error.hint)} (${error.code})`,
    error: error.detail,
    code: error.code,
    requestId,
    ...(error.field === undefined ? {} : { field: error.field }),
    hint: error.hint,
  };
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
