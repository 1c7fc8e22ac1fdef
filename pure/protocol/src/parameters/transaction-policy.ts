import type {
  InstructionMatcher,
  InstructionValidation,
  TransactionRule,
} from '@keystead/chains/solana/transaction-policy';
import { parseAddress } from '@keystead/chains/solana/address';
import {
  array,
  enumeration,
  integer,
  invalid,
  literal,
  object,
  oneOf,
  refine,
  type Schema,
  string,
  transform,
  union,
} from '../schema.ts';
import { members, type Surface } from '../surface.ts';

/** Rules about the bytes of transactions, beside the policy of a grant (spec/policy.md §8.1). */
export interface TransactionPolicy {
  readonly version: 'v0';
  /** Null where Solana transactions are not bound. */
  readonly solana: { readonly rules: readonly TransactionRule[] } | null;
}

/** Matchers of one policy: with them the work of one decision is bounded. */
const maximumMatchers = 64;
const largest = 2n ** 64n - 1n;

const address: Schema<string> = refine(string({ min: 32, max: 44 }), (value, path) => {
  try {
    parseAddress(value);
  } catch (cause) {
    throw invalid(path, 'is no Solana address', cause);
  }
});
const addresses = array(address, { max: 256 });

/** Unsigned, at most 64 bits: a safe JSON integer or a decimal string. */
const amount: Schema<string> = refine(
  oneOf(
    transform(integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), String),
    string({ min: 1, max: 20, pattern: /^(?:0|[1-9][0-9]*)$/, description: 'an amount' }),
  ),
  (value, path) => {
    if (BigInt(value) > largest) throw invalid(path, 'is above 64 bits');
  },
);

const discriminator: Schema<InstructionMatcher['discriminator']> = oneOf(
  enumeration(['Any'] as const),
  object({ required: { Exact: integer({ min: 0, max: 4_294_967_295 }) } }),
  object({ required: { In: array(integer({ min: 0, max: 4_294_967_295 }), { min: 1, max: 64 }) } }),
);

function validation(surface: Surface): Schema<InstructionValidation> {
  return union('rule', {
    SystemInstructionLamportsThreshold: transform(
      members(surface, {
        required: { rule: literal('SystemInstructionLamportsThreshold') },
        optional: { min: amount, max: amount },
      }),
      ({ rule, min = null, max = null }) => ({ rule, min, max }),
    ),
    SystemInstructionRecipientAllowlist: members(surface, {
      required: { rule: literal('SystemInstructionRecipientAllowlist'), allowlist: addresses },
    }),
    TransferCheckedConstraints: transform(
      members(surface, {
        required: { rule: literal('TransferCheckedConstraints') },
        optional: { min: amount, max: amount, mintAllowlist: addresses, recipientAllowlist: addresses },
      }),
      ({ rule, min = null, max = null, mintAllowlist = null, recipientAllowlist = null }) => ({
        rule,
        min,
        max,
        mintAllowlist,
        recipientAllowlist,
      }),
    ),
  }) as Schema<InstructionValidation>;
}

function rules(surface: Surface): Schema<readonly TransactionRule[]> {
  const matcher: Schema<InstructionMatcher> = transform(
    members(surface, {
      required: { programId: address, discriminator },
      optional: { validate: array(validation(surface), { max: 8 }) },
    }),
    ({ programId, discriminator, validate = [] }) => ({ programId, discriminator, validate }),
  );
  const instructions = array(matcher, { max: maximumMatchers });
  const rule = union('rule', {
    NoSignerAccountUsage: transform(
      members(surface, {
        required: { rule: literal('NoSignerAccountUsage') },
        optional: { allowlist: instructions },
      }),
      ({ rule, allowlist = [] }) => ({ rule, allowlist }),
    ),
    BundleSizeLimit: members(surface, {
      required: { rule: literal('BundleSizeLimit'), max: integer({ min: 0, max: 4_294_967_295 }) },
    }),
    ComputeBudgetLimit: transform(
      members(surface, {
        required: { rule: literal('ComputeBudgetLimit') },
        optional: { maxComputeUnits: amount, maxComputeUnitPrice: amount },
      }),
      ({ rule, maxComputeUnits = null, maxComputeUnitPrice = null }) => ({
        rule,
        maxComputeUnits,
        maxComputeUnitPrice,
      }),
    ),
    NoAddressLookupTables: members(surface, { required: { rule: literal('NoAddressLookupTables') } }),
    InstructionAllowlist: members(surface, {
      required: { rule: literal('InstructionAllowlist'), instructions },
    }),
    InstructionDenylist: members(surface, {
      required: { rule: literal('InstructionDenylist'), instructions },
    }),
    AllowAll: members(surface, { required: { rule: literal('AllowAll') } }),
  }) as Schema<TransactionRule>;
  return refine(array(rule, { max: 32 }), (value, path) => {
    const matchers = value.reduce(
      (sum, each) =>
        sum + ('instructions' in each ? each.instructions : 'allowlist' in each ? each.allowlist : []).length,
      0,
    );
    if (matchers > maximumMatchers) throw invalid(path, `name more than ${maximumMatchers} instructions`);
  });
}

export function transactionPolicy(surface: Surface): Schema<TransactionPolicy> {
  return transform(
    members(surface, {
      required: { version: literal('v0') },
      optional: { solana: members(surface, { required: { rules: rules(surface) } }) },
    }),
    ({ version, solana = null }) => ({ version, solana }),
  );
}
