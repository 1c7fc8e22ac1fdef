/**
 * What would have to be different for a denied request to pass. A guess is made from what stood in the way, the whole
 * decision runs on the changed request, and only what then passes is said.
 */
import type { Effects, Grant, Outflow } from '@keystead/chains/effects';
import { infinite } from './evaluation.ts';
import { type Finding, timeText } from './explain.ts';
import type { LimitDocument } from './language/document.ts';
import type { PolicyRequest } from './request.ts';

export interface Change {
  /** Path in the request. */
  readonly field: string;
  /** `atMost` and `atLeast`: the request passes there, and no further. `equals`: it passes with this value. */
  readonly is: 'atMost' | 'atLeast' | 'equals';
  readonly value: string;
}

export interface Counterfactual {
  readonly changes: readonly Change[];
  /** E.g. `would pass with effects.outflows[0].amount at 3200000000 (3.2 SOL) or less`. */
  readonly text: string;
}

interface Changed {
  readonly request: PolicyRequest;
  readonly now: number | null;
}

interface Guess {
  readonly change: Change;
  apply(changed: Changed): Changed;
}

/** More guesses than this are not tried: a denial has a bounded cost. */
const maximumFindings = 8;

export function counterfactualOf(
  findings: readonly Finding[],
  excess: { readonly amount: bigint; readonly limit: LimitDocument } | null,
  request: PolicyRequest,
  passes: (request: PolicyRequest, now: number | null) => boolean,
): Counterfactual | null {
  if (findings.length > maximumFindings) return null;
  const guesses = excess === null ? findings.map(guessOf) : [lessOf(excess, request)];
  if (guesses.length === 0 || guesses.some((guess) => guess === null)) return null;
  let changed: Changed = { request, now: null };
  for (const guess of guesses) changed = guess!.apply(changed);
  if (!passes(changed.request, changed.now)) return null;
  const changes = guesses.map((guess) => guess!.change);
  return {
    changes,
    text: `would pass with ${changes.map((change) => changeText(change, request)).join(' and ')}`,
  };
}

/** The value nearest to the actual one that turns a finding round. */
function guessOf({ path, field, element, comparison, truth, constants, actual }: Finding): Guess | null {
  const [first] = constants;
  // A missing value is nothing that could be turned into another one.
  if (comparison === null || first === undefined || actual === undefined) return null;
  if (typeof first === 'bigint') {
    const bound = boundOf(comparison.operator, truth, first);
    if (bound === null) return null;
    return changeOf(path, field, element, { ...bound, value: bound.value.toString() }, bound.value);
  }
  if (!truth || typeof first === 'boolean') return null;
  if (comparison.operator !== '==' && comparison.operator !== 'in') return null;
  return changeOf(path, field, element, { is: 'equals', value: first }, first);
}

function boundOf(
  operator: string,
  truth: boolean,
  constant: bigint,
): { readonly is: Change['is']; readonly value: bigint } | null {
  const atMost = (value: bigint) => (value < 0n ? null : { is: 'atMost' as const, value });
  const atLeast = (value: bigint) => (value >= infinite ? null : { is: 'atLeast' as const, value });
  const holds = truth
    ? operator
    : { '<': '>=', '<=': '>', '>': '<=', '>=': '<', '==': '!=', '!=': '==' }[operator];
  switch (holds) {
    case '<':
      return atMost(constant - 1n);
    case '<=':
      return atMost(constant);
    case '>':
      return atLeast(constant + 1n);
    case '>=':
      return atLeast(constant);
    case '==':
    case 'in':
      return { is: 'equals', value: constant };
    default:
      return null;
  }
}

function changeOf(
  path: string,
  field: string,
  element: Finding['element'],
  change: Omit<Change, 'field' | 'value'> & { readonly value: string },
  value: bigint | string,
): Guess | null {
  if (field === 'time.now')
    return {
      change: { field: path, is: change.is, value: timeText(BigInt(change.value)) },
      apply: (changed) => ({ ...changed, now: Number(value) }),
    };
  const named: Change = { field: path, is: change.is, value: change.value };
  if (element === null) {
    if (field === 'effects.fee' && typeof value === 'bigint')
      return {
        change: named,
        apply: withEffects((of) => ({ ...of, maxFee: { ...of.maxFee!, amount: value } })),
      };
    const resource = {
      'resource.wallet': 'walletId',
      'resource.address': 'address',
      'action.network': 'network',
    }[field];
    if (resource === undefined || typeof value !== 'string') return null;
    return {
      change: named,
      apply: ({ request: before, now }) => ({
        request: { ...before, resource: { ...before.resource, [resource]: value } },
        now,
      }),
    };
  }
  const { index } = element;
  switch (`${element.list} ${field}`) {
    case 'effects.outflows item.amount':
      return { change: named, apply: withOutflow(index, { amount: value as bigint }) };
    case 'effects.outflows item.to':
      return { change: named, apply: withOutflow(index, { to: value as string }) };
    case 'effects.grants item.amount':
      return { change: named, apply: withGrant(index, { amount: value as bigint }) };
    case 'effects.grants item.spender':
      return { change: named, apply: withGrant(index, { spender: value as string }) };
    default:
      return null;
  }
}

/** The largest charge that a limit is about, less what is too much. */
function lessOf(
  { amount, limit }: { readonly amount: bigint; readonly limit: LimitDocument },
  { effects }: PolicyRequest,
): Guess | null {
  // What a dollar or a request is worth in base units depends on more than one figure.
  if (effects === null || limit.meter !== 'amount') return null;
  let index = -1;
  for (const [place, outflow] of effects.outflows.entries())
    if (
      outflow.amount !== 'unbounded' &&
      outflow.amount >= amount &&
      (index < 0 || outflow.amount > (effects.outflows[index]!.amount as bigint))
    )
      index = place;
  if (index < 0) return null;
  const value = (effects.outflows[index]!.amount as bigint) - amount;
  return {
    change: { field: `effects.outflows[${index}].amount`, is: 'atMost', value: value.toString() },
    apply: withOutflow(index, { amount: value }),
  };
}

function withEffects(change: (effects: Effects) => Effects): Guess['apply'] {
  return ({ request, now }) => {
    const changed = { ...request, effects: change(request.effects!) };
    if (request.readings === undefined) return { request: changed, now };
    const readings = Object.entries(request.readings).map(([policy, effects]) => [policy, change(effects)]);
    return {
      request: { ...changed, readings: Object.fromEntries(readings) as typeof request.readings },
      now,
    };
  };
}

function withOutflow(index: number, change: Partial<Outflow>): Guess['apply'] {
  return withEffects((effects) => ({
    ...effects,
    outflows: effects.outflows.map((outflow, place) =>
      place === index ? { ...outflow, ...change } : outflow,
    ),
  }));
}

function withGrant(index: number, change: Partial<Grant>): Guess['apply'] {
  return withEffects((effects) => ({
    ...effects,
    grants: effects.grants.map((grant, place) => (place === index ? { ...grant, ...change } : grant)),
  }));
}

const coins: Readonly<Record<string, { readonly symbol: string; readonly decimals: number }>> = {
  '501': { symbol: 'SOL', decimals: 9 },
  '60': { symbol: 'ether', decimals: 18 },
  '0': { symbol: 'BTC', decimals: 8 },
  '784': { symbol: 'SUI', decimals: 9 },
};

/** The asset whose amount a change is about, where that is one. */
function assetOf(field: string, effects: Effects | null): string | undefined {
  if (field === 'effects.fee') return effects?.maxFee?.asset;
  const place = /^effects\.(outflows|grants)\[([0-9]+)\]\.amount$/.exec(field);
  // A policy may read more of a transaction than the others do.
  return place === null ? undefined : effects?.[place[1] as 'outflows' | 'grants'][Number(place[2])]?.asset;
}

function changeText({ field, is, value }: Change, { effects }: PolicyRequest): string {
  const asset = assetOf(field, effects);
  const number = asset === undefined ? undefined : /\/slip44:([0-9]+)$/.exec(asset)?.[1];
  const coin = number === undefined ? undefined : coins[number];
  const shown =
    coin === undefined ? value : `${value} (${wholeUnits(BigInt(value), coin.decimals)} ${coin.symbol})`;
  return is === 'equals'
    ? `${field} being ${shown}`
    : `${field} at ${shown} or ${is === 'atMost' ? 'less' : 'more'}`;
}

function wholeUnits(amount: bigint, decimals: number): string {
  const digits = amount.toString().padStart(decimals + 1, '0');
  const fraction = digits.slice(-decimals).replace(/0+$/, '');
  return `${digits.slice(0, -decimals)}${fraction === '' ? '' : `.${fraction}`}`;
}
