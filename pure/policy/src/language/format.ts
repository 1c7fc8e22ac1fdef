/** The text form of a policy (spec/policy.md §4): CEL syntax for conditions, one statement for each list, rule and limit. */
import type {
  Acceptance,
  Comparison,
  Condition,
  LimitDocument,
  ListReference,
  PolicyDocument,
  RuleDocument,
  WindowDocument,
} from './document.ts';
import type { CallDescription } from '@keystead/chains/call-description';
import { borshText } from './call-document.ts';
import { fieldNamed, type ListField, listNamed } from './fields.ts';

/** The canonical text of a checked policy; `parsePolicy` reads it back to the same document. */
export function formatPolicy(document: PolicyDocument): string {
  const { pricing } = document;
  const statements = [
    ...(pricing === undefined
      ? []
      : [
          `pricing age duration("${pricing.maximumAgeSeconds}s") deviation ${pricing.maximumDeviation} sources ${pricing.sources};`,
        ]),
    ...sorted(document.lists ?? {}).map(([name, values]) => `list ${name} = ${formatValues(values)};`),
    ...(document.owners === undefined ? [] : [`owners ${formatValues(document.owners)};`]),
    ...(document.calls ?? []).map(formatCall),
    ...document.rules.map(formatRule),
    ...(document.limits ?? []).map(formatLimit),
  ];
  return ['policy 1;', ...statements].map((statement) => `${statement}\n`).join('\n');
}

function formatCall(call: CallDescription): string {
  if (call.chain === 'ethereum')
    return `call ${quoted(call.name)} ethereum ${quoted(call.network)} ${quoted(call.contract)}\n  ${quoted(call.signature)};`;
  const given = call.arguments.map(({ name, type }) => `${name}: ${borshText(type)}`).join(', ');
  const more = call.moreAccounts === true ? ' more' : '';
  return (
    `call ${quoted(call.name)} solana ${quoted(call.program)} ${quoted(call.discriminator)}` +
    `\n  (${given}) accounts [${call.accounts.join(', ')}]${more};`
  );
}

function sorted<T>(members: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(members).sort(([left], [right]) => (left < right ? -1 : 1));
}

function commentLines(comment: string | undefined): string {
  if (comment === undefined) return '';
  return comment
    .split('\n')
    .map((line) => `//${line === '' ? '' : ` ${line}`}\n`)
    .join('');
}

const names = (actions: readonly string[] | undefined): string =>
  actions === undefined ? '' : ` on ${actions.join(', ')}`;

function formatRule(rule: RuleDocument): string {
  const accepts =
    rule.accepts === undefined ? '' : `\n  accepting ${rule.accepts.map(formatAcceptance).join(', ')}`;
  const approvals = rule.approvals === undefined ? '' : `\n  approvals ${rule.approvals}`;
  const delay = rule.delaySeconds === undefined ? '' : `\n  delay duration("${rule.delaySeconds}s")`;
  return (
    `${commentLines(rule.comment)}${rule.effect} ${quoted(rule.id)}${names(rule.on)}` +
    ` when\n  ${formatCondition(rule.when)}${accepts}${approvals}${delay};`
  );
}

function formatAcceptance({ what, kind, subject, asset, by }: Acceptance): string {
  const members = [
    ...(subject === undefined ? [] : [`, subject: ${quoted(subject)}`]),
    ...(asset === undefined ? [] : [`, asset: ${quoted(asset)}`]),
    ...(by === undefined ? [] : [`, by: ${quoted(by)}`]),
  ];
  return `${what}(${quoted(kind)}${members.join('')})`;
}

function formatLimit(limit: LimitDocument): string {
  const across = sorted<ListReference>(limit.across ?? {});
  const parts = [
    `limit ${quoted(limit.id)}${names(limit.on)} ${limit.meter}`,
    ...(limit.per === undefined ? [] : [`per ${limit.per.join(', ')}`]),
    ...across.map(
      ([key, values]) => `across ${key} in ${'list' in values ? values.list : formatValues(values)}`,
    ),
    ...(limit.excludeOwn === undefined ? [] : ['excluding own']),
    `over ${formatWindow(limit.window)}`,
    `max ${limit.max}`,
  ];
  return `${commentLines(limit.comment)}${parts.join('\n  ')};`;
}

function formatWindow(window: WindowDocument): string {
  switch (window.kind) {
    case 'rolling':
      return `rolling(duration("${window.seconds}s"))`;
    case 'fixed':
      return `fixed(duration("${window.seconds}s"), timestamp(${quoted(window.anchor)}))`;
    case 'calendar':
      return `calendar(${quoted(window.unit)}, ${quoted(window.timeZone)})`;
    default:
      return window.kind;
  }
}

const formatValues = (values: readonly string[]): string => `[${values.map(quoted).join(', ')}]`;

/** A string literal that is the same in CEL and JSON. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** What binds less than its surroundings stands in parentheses. */
const bindings = { any: 1, all: 2, not: 3, atom: 4 } as const;

/** The CEL text of a checked condition; `over` is the list whose element it is about. */
export function formatCondition(condition: Condition, over: ListField | null = null): string {
  return format(condition, 0, over);
}

function format(condition: Condition, binding: number, over: ListField | null): string {
  const within = (own: number, text: string): string => (own < binding ? `(${text})` : text);
  if ('constant' in condition) return String(condition.constant);
  // A part of the same kind stands in parentheses: it is another condition than the parts in one row.
  if ('any' in condition)
    return within(
      bindings.any,
      condition.any.map((part) => format(part, bindings.any + 1, over)).join(' || '),
    );
  if ('all' in condition)
    return within(
      bindings.all,
      condition.all.map((part) => format(part, bindings.all + 1, over)).join(' && '),
    );
  if ('not' in condition) return `!${format(condition.not, bindings.atom, over)}`;
  if ('every' in condition)
    return `${condition.every}.all(item, ${format(condition.where, 0, listNamed(condition.every)!)})`;
  if ('some' in condition)
    return `${condition.some}.exists(item, ${format(condition.where, 0, listNamed(condition.some)!)})`;
  if ('has' in condition) return `has(${condition.has})`;
  return formatComparison(condition, binding, over);
}

function formatComparison(condition: Comparison, binding: number, over: ListField | null): string {
  const { field, operator, value, list } = condition;
  const { type } = fieldNamed(field, over)!;
  const constant = (each: string | boolean): string => {
    if (typeof each === 'boolean' || type === 'integer') return String(each);
    return type === 'time' ? `timestamp(${quoted(each)})` : quoted(each);
  };
  if (operator === '==' && value === true) return field;
  if (operator === 'startsWith') return `${field}.startsWith(${constant(value as string)})`;
  const relation =
    operator === 'contains'
      ? `${constant(value as string)} in ${field}`
      : operator === 'in'
        ? `${field} in ${list ?? `[${(value as readonly string[]).map(constant).join(', ')}]`}`
        : `${field} ${operator} ${constant(value as string | boolean)}`;
  return binding === bindings.atom ? `(${relation})` : relation;
}
