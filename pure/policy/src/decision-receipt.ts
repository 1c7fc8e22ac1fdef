/**
 * A decision with everything that it came from, as JSON: whoever has the file decides again offline and gets the same bytes
 * (spec/policy.md §9).
 */
import type { Effects } from '@keystead/chains/effects';
import { canonicalize } from '@keystead/crypto/canonical-json';
import type { JsonValue } from '@keystead/crypto/strict-json';
import { KmsError } from '@keystead/protocol/errors';
import { compilePolicy } from './compile-policy.ts';
import { decideInWords, type PolicyDecision } from './decide.ts';
import type { PolicyDocument } from './language/document.ts';
import { policyDocument } from './language/read-document.ts';
import type { Usage } from './limits.ts';
import type { QuoteRecord } from './pricing.ts';
import { type QuoteCell, quoteRecord } from './quote-cell.ts';
import type { PolicyRequest } from './request.ts';

export interface NamedDocument {
  readonly name: string;
  readonly document: PolicyDocument;
}

export interface DecisionReceipt {
  readonly version: 1;
  readonly policies: readonly NamedDocument[];
  readonly request: PolicyRequest;
  readonly now: number;
  /** What was read of counters and quotes: the decision rests on no other usage. */
  readonly usage: {
    readonly spent: readonly {
      readonly scope: string;
      readonly after: number;
      readonly policy: number;
      readonly sum: bigint | 'full';
      /** What of the sum the request replaces; absent when that is nothing. */
      readonly shared?: bigint;
    }[];
    readonly quotes: readonly {
      readonly asset: string;
      readonly policy: number;
      readonly record: QuoteRecord | null;
    }[];
  };
  readonly decision: PolicyDecision;
}

/** Decides and keeps what was read on the way. */
export function decideWithReceipt(
  policies: readonly NamedDocument[],
  request: PolicyRequest,
  usage: Usage,
  now: number,
): DecisionReceipt {
  const spent = new Map<string, DecisionReceipt['usage']['spent'][number]>();
  const quotes = new Map<string, DecisionReceipt['usage']['quotes'][number]>();
  const recorded: Usage = {
    spent(scope, after, policy) {
      const sum = usage.spent(scope, after, policy);
      spent.set(`${policy} ${after} ${scope}`, { scope, after, policy, sum });
      return sum;
    },
    shared(scope, after, policy) {
      const shared = usage.shared?.(scope, after, policy) ?? 0n;
      const name = `${policy} ${after} ${scope}`;
      if (shared > 0n) spent.set(name, { ...spent.get(name)!, shared });
      return shared;
    },
    quotes(asset, policy) {
      const record = usage.quotes(asset, policy);
      quotes.set(`${policy} ${asset}`, { asset, policy, record: record ?? null });
      return record;
    },
  };
  const compiled = policies.map(({ name, document }) => compilePolicy(name, document));
  const decision = decideInWords(compiled, request, recorded, now);
  const sorted = <T>(known: ReadonlyMap<string, T>): T[] =>
    [...known].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, value]) => value);
  return {
    version: 1,
    policies,
    request,
    now,
    usage: { spent: sorted(spent), quotes: sorted(quotes) },
    decision,
  };
}

/** RFC 8785 text of a receipt: integers are decimal strings, sets are lists. */
export function receiptText(receipt: DecisionReceipt): string {
  return canonicalize(plain(receipt));
}

/** Decides again from the text of a receipt; true when the same bytes come out. Throws KmsError for what is no receipt. */
export function verifyReceipt(text: string): boolean {
  const given = readReceipt(text);
  const again = decideWithReceipt(given.policies, given.request, usageOfReceipt(given), given.now);
  return receiptText(again) === canonicalize(JSON.parse(text) as JsonValue);
}

/** The usage that a receipt holds; asked for more than the decision read, it throws KmsError. */
export function usageOfReceipt(given: DecisionReceipt): Usage {
  const spentOf = (scope: string, after: number, policy: number) => {
    const found = given.usage.spent.find(
      (each) => each.scope === scope && each.after === after && each.policy === policy,
    );
    if (found === undefined) throw malformed('usage.spent', `lacks ${scope}`);
    return found;
  };
  return {
    spent: (scope, after, policy) => spentOf(scope, after, policy).sum,
    shared: (scope, after, policy) => spentOf(scope, after, policy).shared ?? 0n,
    quotes(asset, policy) {
      const found = given.usage.quotes.find((each) => each.asset === asset && each.policy === policy);
      if (found === undefined) throw malformed('usage.quotes', `lacks ${asset}`);
      return found.record ?? undefined;
    },
  };
}

/** A request as JSON holds it, for tests of policies and for receipts. Throws KmsError for what is none. */
export function readPolicyRequest(value: unknown): PolicyRequest {
  return formed('request', 'is no request', () => {
    const given = value as PolicyRequest & {
      readonly resource: { readonly ownAddresses: readonly string[] };
    };
    const { subject, resource, effects, readings } = given;
    if (typeof subject !== 'object' || subject === null) throw malformed('request', 'is no request');
    return {
      ...given,
      resource: { ...resource, ownAddresses: new Set(resource.ownAddresses) },
      effects: effects === null ? null : readEffects(effects),
      ...(readings === undefined
        ? {}
        : {
            readings: Object.fromEntries(
              Object.entries(readings).map(([policy, read]) => [policy, readEffects(read)]),
            ),
          }),
    };
  });
}

/** What cannot be gone through has not the form that it should have. */
function formed<T>(field: string, detail: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof KmsError) throw cause;
    throw malformed(field, detail, cause);
  }
}

function readEffects(effects: Effects): Effects {
  const amount = (text: unknown): bigint | 'unbounded' => (text === 'unbounded' ? text : integer(text));
  return {
    ...effects,
    maxFee: effects.maxFee === null ? null : { ...effects.maxFee, amount: integer(effects.maxFee.amount) },
    outflows: effects.outflows.map((each) => ({ ...each, amount: amount(each.amount) })),
    grants: effects.grants.map((each) => ({
      ...each,
      amount: amount(each.amount),
      expires: each.expires === null ? null : integer(each.expires),
    })),
    validity: {
      ...effects.validity,
      notBefore: effects.validity.notBefore === null ? null : integer(effects.validity.notBefore),
      notAfter: effects.validity.notAfter === null ? null : integer(effects.validity.notAfter),
    },
  };
}

function readReceipt(text: string): DecisionReceipt {
  const given = formed('receipt', 'is not JSON', () => JSON.parse(text) as DecisionReceipt);
  return formed('receipt', 'is no receipt of version 1', () => {
    if (given.version !== 1) throw malformed('receipt', 'is no receipt of version 1');
    return {
      ...given,
      policies: given.policies.map(({ name, document }, index) => ({
        name,
        document: policyDocument.parse(document, `policies[${index}].document`),
      })),
      request: readPolicyRequest(given.request),
      usage: {
        spent: given.usage.spent.map(({ shared, ...each }) => ({
          ...each,
          sum: (each.sum as unknown) === 'full' ? 'full' : integer(each.sum),
          ...(shared === undefined ? {} : { shared: integer(shared) }),
        })),
        quotes: given.usage.quotes.map(({ record, ...each }) => ({
          ...each,
          record: record === null ? null : quoteRecord(record as unknown as QuoteCell, integer),
        })),
      },
    };
  });
}

function integer(value: unknown): bigint {
  if (typeof value !== 'string' || !/^(0|[1-9][0-9]{0,199})$/.test(value))
    throw malformed('receipt', 'holds an amount that is none');
  return BigInt(value);
}

function malformed(field: string, detail: string, cause?: unknown): KmsError {
  return new KmsError('parameter-invalid', { field, detail: `${field} ${detail}`, cause });
}

/** JSON with integers as decimal strings and sets as lists. */
function plain(value: unknown): JsonValue {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value as JsonValue;
  if (value instanceof Set) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  const members: { [name: string]: JsonValue } = {};
  for (const [name, member] of Object.entries(value)) if (member !== undefined) members[name] = plain(member);
  return members;
}
