import type { AddressFormat, Curve, RawSignature, SigningInput } from '@keystead/chains/chain';
import { chainFor } from '@keystead/chains/registry';
import { base58Encode } from '@keystead/crypto/base58';
import { base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import { deriveKeyPair } from '@keystead/crypto/hpke';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import type { JsonValue } from '@keystead/crypto/strict-json';
import * as x25519 from '@keystead/crypto/x25519';
import { AnswerSignature, answerRolePolicy, answerRoleSigner } from '@keystead/protocol/answer';
import { resultDigestOf, signStatements, statementVersion } from '@keystead/protocol/answer-signature';
import { type DeploymentKeys, deploymentIdOf } from '@keystead/protocol/deployment';
import { errorBody, KmsError, toKmsError } from '@keystead/protocol/errors';
import { routeRpc, surfaceNative } from '@keystead/protocol/frames';
import { formatUuid, organizationIdOf, parseUuid, walletIdOf } from '@keystead/protocol/ids';
import type { Derivation } from '@keystead/protocol/parameters/derivation';
import { type ParsedRequest, parseRequest } from '@keystead/protocol/request';
import { isSigning, signingRequest } from '@keystead/protocol/signing';
import { assertFresh, parseStamp, requestIdentity, verifySelfStamp } from '@keystead/protocol/stamp';
import { ExportedSecret, openImport, sealExport } from '@keystead/protocol/transport';
import type { Fetch } from '../src/transmit.ts';

const filled = (byte: number) => new Uint8Array(32).fill(byte);
const textOfHash = (text: string) => sha256(new TextEncoder().encode(text));

/** An answer on its way from the enclaves to the caller: what a host can change. */
export interface Carried {
  status: number;
  /** `result` of the envelope, or the error body. */
  body: JsonValue;
  /** Undefined when no enclave states the answer. */
  signature: Uint8Array | undefined;
  submission?: JsonValue;
  headers?: Record<string, string>;
}

export interface ReceivedRequest {
  readonly body: Uint8Array;
  readonly headers: Headers;
}

interface Options {
  readonly seeds?: { readonly policy: number; readonly signer: number };
  readonly clock?: () => number;
}

/** A deployment with real keys in memory: it verifies stamps, keeps positions, signs with wallets and states answers. */
export class ScriptedDeployment {
  readonly keys: DeploymentKeys;
  readonly deploymentId: Uint8Array;
  readonly root: string;
  readonly received: ReceivedRequest[] = [];
  /** What the host makes of an answer; undefined breaks the connection. */
  host: (answer: Carried, request: ParsedRequest) => Carried | undefined = (answer) => answer;
  /** What the host shows at /v1/deployment. */
  shown: JsonValue;
  /** What the enclaves say instead, or undefined. */
  refusal: KmsError | undefined;
  positions = new Map<string, number>();
  readonly clock: () => number;
  readonly #policySeed: SecretBytes;
  readonly #signerSeed: SecretBytes;
  readonly #importKey = deriveKeyPair(filled(0x55));
  readonly #entropies = new Map<string, Uint8Array>();
  readonly #decided = new Map<string, Carried>();

  constructor({ seeds = { policy: 1, signer: 2 }, clock = Date.now }: Options = {}) {
    this.clock = clock;
    this.#policySeed = new SecretBytes(filled(seeds.policy));
    this.#signerSeed = new SecretBytes(filled(seeds.signer));
    const role = (seed: Uint8Array) => ({
      sign: ed25519.publicKey(seed),
      agree: x25519.publicKey(seed),
    });
    this.keys = {
      policy: role(this.#policySeed.expose()),
      signer: role(this.#signerSeed.expose()),
      certifier: role(filled(3)),
    };
    this.deploymentId = deploymentIdOf(this.keys);
    this.root = base64urlEncode(this.deploymentId);
    this.shown = this.document();
  }

  document(): JsonValue {
    const pair = ({ sign, agree }: DeploymentKeys['policy']) => ({
      sign: base64urlEncode(sign),
      agree: base64urlEncode(agree),
    });
    const { policy, signer, certifier } = this.keys;
    return {
      deploymentId: this.root,
      keys: { policy: pair(policy), signer: pair(signer), certifier: pair(certifier) },
    };
  }

  readonly fetch: Fetch = async (url, init) => {
    const { pathname } = new URL(url);
    if (pathname === '/v1/deployment') return Response.json(this.shown);
    const headers = new Headers(init?.headers);
    const body = init?.body as Uint8Array;
    this.received.push({ body: body.slice(), headers });
    const request = parseRequest('native', 'rpc', body);
    const answer = this.host(this.#answer(request, body, headers), request);
    if (answer === undefined) throw new TypeError('fetch failed');
    const stated = answer.signature === undefined ? {} : { signature: base64urlEncode(answer.signature) };
    const submission = answer.submission === undefined ? {} : { rpc_submission_result: answer.submission };
    const envelope =
      answer.status === 200
        ? { result: answer.body, ...stated, ...submission }
        : { ...(answer.body as object), requestId: 'r-1', ...stated };
    return Response.json(envelope, { status: answer.status, headers: answer.headers ?? {} });
  };

  /** A correct statement by `role` about any body: for playing an enclave that was taken over. */
  state(
    role: 'policy' | 'signer',
    options: {
      readonly identity: Uint8Array;
      readonly status: number;
      readonly body: JsonValue;
      readonly organization: Uint8Array;
      readonly position: number;
      readonly head?: Uint8Array;
      readonly time?: number;
    },
  ): Uint8Array {
    const { identity, status, body, organization, position } = options;
    const [signature] = signStatements(role === 'policy' ? this.#policySeed : this.#signerSeed, [
      {
        version: statementVersion,
        role: role === 'policy' ? answerRolePolicy : answerRoleSigner,
        deployment: this.deploymentId,
        identity,
        status,
        resultDigest: resultDigestOf(status, body),
        organization,
        position,
        head: options.head ?? this.headAt(formatUuid(organization), position),
        time: options.time ?? this.clock(),
      },
    ]);
    return signature!;
  }

  headAt(organizationId: string, position: number): Uint8Array {
    return textOfHash(`${organizationId} ${position}`);
  }

  #answer(request: ParsedRequest, body: Uint8Array, headers: Headers): Carried {
    const header = (name: string) => headers.get(name) ?? undefined;
    try {
      const stamp = parseStamp({
        surface: surfaceNative,
        route: routeRpc,
        path: '/v1/rpc',
        signatureInput: header('signature-input'),
        signature: header('signature'),
        contentDigest: header('content-digest'),
        deployment: header('keystead-deployment'),
        origin: header('keystead-origin'),
        seen: header('keystead-seen'),
        phantomStamp: undefined,
        body,
      });
      assertFresh(stamp, null, this.clock());
      if (!verifySelfStamp(stamp, body)) throw new KmsError('stamp-invalid');
      const identity = requestIdentity(stamp, body);
      const decided = this.#decided.get(hexEncode(identity));
      if (decided !== undefined) return decided;
      const answer = this.#decide(request, identity);
      if (request.kind !== 'read') this.#decided.set(hexEncode(identity), answer);
      return answer;
    } catch (thrown) {
      const { requestId: _, ...refused } = errorBody(toKmsError(thrown), '');
      return { status: toKmsError(thrown).status, body: refused as JsonValue, signature: undefined };
    }
  }

  #decide(request: ParsedRequest, identity: Uint8Array): Carried {
    const organization =
      request.method === 'createOrganization'
        ? organizationIdOf(this.deploymentId, identity)
        : parseUuid(request.organizationId ?? '')!;
    const organizationId = formatUuid(organization);
    let position = this.positions.get(organizationId) ?? 0;
    if (request.kind !== 'read') this.positions.set(organizationId, ++position);
    const bySigner = request.kind === 'make' || request.kind === 'use';
    if (this.refusal !== undefined) {
      const { status } = this.refusal;
      const { requestId: _, ...refused } = errorBody(this.refusal, '');
      const body = JSON.parse(JSON.stringify(refused)) as JsonValue;
      const signature = this.state('policy', { identity, status, body, organization, position });
      return { status, body, signature };
    }
    const body = this.#result(request, organization, identity);
    const role = bySigner ? 'signer' : 'policy';
    return {
      status: 200,
      body,
      signature: this.state(role, { identity, status: 200, body, organization, position }),
    };
  }

  #result(request: ParsedRequest, organization: Uint8Array, identity: Uint8Array): JsonValue {
    if (isSigning(request)) {
      const { walletId, derivation } = request.params;
      const key = this.#keyOf(walletId, derivation!);
      const account = { ...key, derivationPath: derivation!.derivationPath };
      const asked = signingRequest(request, account);
      const signed = asked.finish(asked.inputs.map((input) => signInput(key, input)));
      const shown = { address: key.address, publicKey: textOf(key) };
      return {
        ...(signed.transaction === null
          ? {}
          : { kind: signed.kind, transaction: base64urlEncode(signed.transaction) }),
        signature: base64urlEncode(signed.signature),
        ...shown,
      };
    }
    const wallet = (walletId: string, name: string, accounts: readonly Derivation[]): JsonValue => ({
      walletId,
      walletName: name,
      tags: [],
      type: 'MNEMONIC',
      accounts: accounts.map((derivation) => this.#accountOf(walletId, derivation)),
    });
    switch (request.method) {
      case 'createOrganization':
      case 'getOrganization':
        return {
          organizationId: formatUuid(organization),
          organizationName: 'org',
          parentOrganizationId: null,
          tags: [],
          users: [],
        };
      case 'createWallet': {
        const walletId = formatUuid(walletIdOf(organization, identity));
        const { wallet: asked, walletName } = request.params;
        return wallet(walletId, walletName, asked.type === 'MNEMONIC' ? asked.accounts : []);
      }
      case 'getAccounts':
        return request.params.accounts.map((derivation) =>
          this.#accountOf(request.params.walletId, derivation),
        );
      case 'initWalletImport':
        return { envelope: 'AAAA', publicKey: base64urlEncode(this.#importKey.publicKey) };
      case 'completeImportWallet': {
        const walletId = formatUuid(walletIdOf(organization, identity));
        const { encryptedSecret, wallet: asked, walletName } = request.params;
        const { privateKey } = this.#importKey;
        const { deploymentId } = this;
        this.#entropies.set(
          walletId,
          openImport({ privateKey, deploymentId, organization, encryptedSecret }),
        );
        return wallet(walletId, walletName, asked.type === 'MNEMONIC' ? asked.accounts : []);
      }
      case 'exportWallet': {
        const { walletId, publicKey } = request.params;
        const bundle = sealExport({
          recipient: publicKey,
          deploymentId: this.deploymentId,
          organization,
          walletId: parseUuid(walletId)!,
          secret: ExportedSecret.encode({ kind: 'mnemonic', entropy: this.#entropies.get(walletId)! }),
          random: (length) => crypto.getRandomValues(new Uint8Array(length)),
        });
        return { encryptedBundle: base64urlEncode(bundle) };
      }
      default:
        throw new KmsError('not-supported');
    }
  }

  #accountOf(walletId: string, derivation: Derivation): JsonValue {
    const key = this.#keyOf(walletId, derivation);
    const { curve, addressFormat, address } = key;
    return {
      curve,
      addressFormat,
      address,
      publicKey: textOf(key),
      derivationPath: derivation.derivationPath,
    };
  }

  #keyOf(walletId: string, { curve, addressFormat, derivationPath }: Derivation): Key {
    const secret = textOfHash(`${walletId} ${derivationPath}`);
    const publicKey = curve === 'Ed25519' ? ed25519.publicKey(secret) : secp256k1.publicKey(secret);
    const address = chainFor(addressFormat).address(publicKey, addressFormat);
    return { curve, addressFormat, secret, publicKey, address };
  }
}

interface Key {
  readonly curve: Curve;
  readonly addressFormat: AddressFormat;
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly address: string;
}

const textOf = ({ addressFormat, publicKey }: Key) =>
  addressFormat === 'Solana' ? base58Encode(publicKey) : hexEncode(publicKey);

function signInput({ secret }: Key, { algorithm, bytes }: SigningInput): RawSignature {
  if (algorithm === 'ed25519') return { bytes: ed25519.sign(secret, bytes) };
  if (algorithm === 'schnorr') return { bytes: secp256k1.schnorrSign(secret, bytes) };
  const { bytes: signature, recovery } = secp256k1.ecdsaSign(secret, bytes);
  return { bytes: signature, recovery: recovery === 1 ? 1 : 0 };
}

/** The members of a JSON object answer. */
export const membersOf = (body: JsonValue) => body as { [name: string]: JsonValue };

/** The identity that an encoded answer signature speaks of. */
export const identityIn = (signature: Uint8Array) => AnswerSignature.decode(signature).statement.identity;
