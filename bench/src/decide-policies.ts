/**
 * One policy of 100 rules in three languages, and transactions to decide. It says only what all three can say: one outflow,
 * amounts below 2^53 (the binding of Cedar takes JavaScript numbers), no limits, approvals or missing fields.
 */
import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import { addressText } from '@keystead/policy/language/address-text';
import { policyDocument } from '@keystead/policy/language/read-document';
import { compilePolicy } from '@keystead/policy/compile-policy';
import { decide, decideInWords, type PolicyDecision } from '@keystead/policy/decide';
import type { PolicyDocument } from '@keystead/policy/language/document';
import type { Usage } from '@keystead/policy/limits';
import type { PolicyRequest } from '@keystead/policy/request';
import { parse } from '@marcbachmann/cel-js';

export interface Transaction {
  readonly network: string;
  readonly wallet: string;
  readonly to: string;
  readonly amount: bigint;
  readonly fee: bigint;
}

interface Rule {
  readonly effect: 'allow' | 'deny';
  readonly wallet: string;
  readonly to: readonly string[];
  readonly amount: bigint;
}

const network = 'eip155:1';
const ether = 'eip155:1/slip44:60';
const largestFee = 10_000_000_000_000n;
const largestAmount = 1_000_000_000_000_000n;
const rules = 100;

export const account = (number: number): string => addressText(`0x${number.toString(16).padStart(40, '0')}`);

/** 90 rules that each let one wallet pay twenty accounts, and 10 that deny six of others' accounts above an amount. */
export const table: readonly Rule[] = Array.from({ length: rules }, (_, index) =>
  index % 10 === 0
    ? {
        effect: 'deny',
        wallet: '',
        to: [105, 106, 107, 206, 207, 208].map((place) => account(index * 100 + place)),
        amount: 5n,
      }
    : {
        effect: 'allow',
        wallet: `wallet-${index}`,
        to: Array.from({ length: 20 }, (_, place) => account(index * 100 + place)),
        amount: largestAmount,
      },
);

/** Transactions by place: most meet a rule, the others miss one by wallet, receiver, amount, fee or network. */
export function transactions(count: number): readonly Transaction[] {
  // A fixed sequence (Lehmer): the same transactions on every machine.
  let state = 48_271;
  const below = (bound: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % bound;
  };
  return Array.from({ length: count }, () => {
    const rule = below(rules);
    const wrong = below(12);
    return {
      network: wrong === 0 ? 'eip155:137' : network,
      wallet: `wallet-${wrong === 1 ? below(rules) : rule}`,
      to: account(rule * 100 + below(wrong === 2 ? 40 : 20)),
      amount: wrong === 3 ? largestAmount + BigInt(below(2)) : BigInt(below(1_000_000)),
      fee: wrong === 4 ? largestFee + BigInt(below(2)) : BigInt(below(1_000_000)),
    };
  });
}

export function document(): PolicyDocument {
  return policyDocument.parse(
    {
      version: 1,
      rules: table.map(({ effect, wallet, to, amount }, index) => {
        const paid = (operator: string) => [
          { field: 'item.to', operator: 'in', value: to },
          { field: 'item.amount', operator, value: amount.toString() },
        ];
        const when =
          effect === 'deny'
            ? { some: 'effects.outflows', where: { all: paid('>') } }
            : {
                all: [
                  { field: 'effects.network', operator: '==', value: network },
                  { field: 'resource.wallet', operator: '==', value: wallet },
                  { every: 'effects.outflows', where: { all: paid('<=') } },
                  { field: 'effects.fee', operator: '<=', value: largestFee.toString() },
                ],
              };
        return { id: `rule-${String(index).padStart(3, '0')}`, effect, on: ['sign-transaction'], when };
      }),
    },
    'policy',
  );
}

const cedarText = table
  .map(({ effect, wallet, to, amount }) => {
    const receivers = `[${to.map((each) => `"${each}"`).join(', ')}].contains(context.to)`;
    return effect === 'deny'
      ? `forbid(principal, action, resource) when { ${receivers} && context.amount > ${amount} };`
      : `permit(principal, action, resource) when { context.network == "${network}" && context.wallet == "${wallet}" && ${receivers} && context.amount <= ${amount} && context.fee <= ${largestFee} };`;
  })
  .join('\n');

const celTexts = table.map(({ effect, wallet, to, amount }) => {
  const receivers = `to in [${to.map((each) => `"${each}"`).join(', ')}]`;
  return effect === 'deny'
    ? `${receivers} && amount > ${amount}`
    : `network == "${network}" && wallet == "${wallet}" && ${receivers} && amount <= ${amount} && fee <= ${largestFee}`;
});

/** A transaction as each engine takes it, made before anything is measured. */
export interface Prepared {
  readonly ours: PolicyRequest;
  readonly cedar: Parameters<typeof statefulIsAuthorized>[0];
  readonly cel: Readonly<Record<string, unknown>>;
}

const noUsage: Usage = { spent: () => 0n, quotes: () => undefined };

/** The three engines, each with its policy read. */
export function engines() {
  const policies = [compilePolicy('user', document())];
  const name = 'bench';
  const parsed = preparsePolicySet(name, { staticPolicies: cedarText });
  if (parsed.type === 'failure') throw new Error(JSON.stringify(parsed.errors));
  const expressions = celTexts.map((text) => parse(text));
  const denies = expressions.filter((_, index) => table[index]!.effect === 'deny');
  const allows = expressions.filter((_, index) => table[index]!.effect === 'allow');
  return {
    prepare: (transaction: Transaction): Prepared => prepared(transaction, name),
    inWords: ({ ours }: Prepared): PolicyDecision => decideInWords(policies, ours, noUsage, 0),
    keystead: ({ ours }: Prepared): boolean => decide(policies, ours, noUsage, 0).outcome === 'allow',
    cedar: ({ cedar }: Prepared): boolean => {
      const answer = statefulIsAuthorized(cedar);
      if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
      return answer.response.decision === 'allow';
    },
    // A denial beats an allowance, and one allowance is enough: no more is evaluated than has to be.
    cel: ({ cel }: Prepared): boolean =>
      !denies.some((expression) => expression(cel) === true) &&
      allows.some((expression) => expression(cel) === true),
  };
}

function prepared({ network, wallet, to, amount, fee }: Transaction, policies: string): Prepared {
  return {
    ours: {
      subject: { organizationId: 'o', username: 'u', root: false, authenticatorId: 'a', traits: {} },
      action: 'signTransaction',
      surface: 'native',
      resource: {
        ownUser: false,
        rawPayload: false,
        origin: null,
        network: null,
        walletId: wallet,
        walletTags: [],
        owner: 'o',
        derivationPaths: ["m/44'/60'/0'/0/0"],
        address: account(1),
        addressFormat: 'Ethereum',
        ownAddresses: new Set(),
      },
      effects: {
        chain: 'ethereum',
        network,
        version: 'eip1559',
        signers: [account(1)],
        feePayer: account(1),
        maxFee: { asset: ether, amount: fee },
        outflows: [{ asset: ether, amount, from: account(1), to, kind: 'transfer' }],
        grants: [],
        takeovers: [],
        unresolved: [],
        calls: [],
        validity: { uniqueness: 'nonce', key: '1', notBefore: null, notAfter: null },
      },
    },
    cedar: {
      principal: { type: 'User', id: 'u' },
      action: { type: 'Action', id: 'sign' },
      resource: { type: 'Wallet', id: wallet },
      context: { network, wallet, to, amount: Number(amount), fee: Number(fee) },
      preparsedPolicySetId: policies,
      entities: [],
    },
    cel: { network, wallet, to, amount, fee },
  };
}
