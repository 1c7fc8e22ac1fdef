/**
 * The closed list of what conditions can name (spec/policy.md §3): type, presence, and where it stands in a request.
 */
import type { Call, Grant, Outflow, Takeover, Unresolved } from '@keystead/chains/effects';
import { actionClassOf } from '../action-class.ts';
import { type Charge, type EvaluationContext, infinite } from '../evaluation.ts';

export type FieldType = 'boolean' | 'integer' | 'string' | 'address' | 'asset' | 'time' | 'set';

/** A value as conditions compare it; undefined when the request has none. Integers and times are bigint. */
export type FieldValue = boolean | bigint | string | readonly string[] | undefined;

export interface Field {
  readonly type: FieldType;
  /** The request may lack it. */
  readonly optional: boolean;
  /** Only requests that sign what has effects have it. */
  readonly needsEffects: boolean;
  read(context: EvaluationContext): FieldValue;
}

export interface ListField {
  readonly needsEffects: boolean;
  /** Undefined when the request has no such list. */
  read(context: EvaluationContext): readonly unknown[] | undefined;
  /** Fields of one element by name; the empty name is the element itself. */
  readonly item: Readonly<Record<string, Field>>;
  /** Members that are named by a key of their own, as in `item.arguments["to"]`. */
  readonly maps: readonly string[];
}

const always = (type: FieldType, read: Field['read']): Field => ({
  type,
  optional: false,
  needsEffects: false,
  read,
});
const sometimes = (type: FieldType, read: Field['read']): Field => ({
  ...always(type, read),
  optional: true,
});
const ofEffects = (
  type: FieldType,
  read: (effects: NonNullable<EvaluationContext['request']['effects']>) => FieldValue,
  optional = false,
): Field => ({
  type,
  optional,
  needsEffects: true,
  read: ({ request: { effects } }) => (effects === null ? undefined : read(effects)),
});

const seconds = (value: bigint | null): bigint | undefined => (value === null ? undefined : value * 1000n);
const amount = (value: bigint | 'unbounded'): bigint => (value === 'unbounded' ? infinite : value);

const fields: Readonly<Record<string, Field>> = {
  'subject.organization': always('string', ({ request }) => request.subject.organizationId),
  'subject.user': always('string', ({ request }) => request.subject.username),
  'subject.root': always('boolean', ({ request }) => request.subject.root),
  'subject.authenticator': always('string', ({ request }) => request.subject.authenticatorId),
  'action.method': always('string', ({ request }) => request.action),
  'action.class': always('string', ({ request }) => actionClassOf(request.action)),
  'action.surface': always('string', ({ request }) => request.surface),
  'action.origin': sometimes('string', ({ request }) => request.resource.origin ?? undefined),
  'action.network': sometimes('string', ({ request }) => request.resource.network ?? undefined),
  'resource.wallet': sometimes('string', ({ request }) => request.resource.walletId ?? undefined),
  'resource.walletTags': sometimes('set', ({ request }) => request.resource.walletTags ?? undefined),
  'resource.owner': sometimes('string', ({ request }) => request.resource.owner ?? undefined),
  'resource.address': sometimes('address', ({ request }) => request.resource.address ?? undefined),
  'resource.addressFormat': sometimes('string', ({ request }) => request.resource.addressFormat ?? undefined),
  'resource.ownUser': always('boolean', ({ request }) => request.resource.ownUser),
  'resource.rawPayload': always('boolean', ({ request }) => request.resource.rawPayload),
  'effects.chain': ofEffects('string', ({ chain }) => chain),
  'effects.network': ofEffects('string', ({ network }) => network ?? undefined, true),
  'effects.version': ofEffects('string', ({ version }) => version),
  'effects.feePayer': ofEffects('address', ({ feePayer }) => feePayer ?? undefined, true),
  'effects.fee': ofEffects('integer', ({ maxFee }) => maxFee?.amount, true),
  'effects.feeAsset': ofEffects('asset', ({ maxFee }) => maxFee?.asset, true),
  'effects.uniqueness': ofEffects('string', ({ validity }) => validity.uniqueness),
  'effects.notBefore': ofEffects('time', ({ validity }) => seconds(validity.notBefore), true),
  'effects.notAfter': ofEffects('time', ({ validity }) => seconds(validity.notAfter), true),
  'time.now': always('time', ({ now }) => BigInt(now)),
};

const ofItem = <T>(type: FieldType, read: (item: T) => FieldValue, optional = false): Field => ({
  type,
  optional,
  needsEffects: false,
  read: (context) => read(context.item as T),
});

const lists: Readonly<Record<string, ListField>> = {
  'resource.derivationPaths': {
    needsEffects: false,
    read: ({ request }) => request.resource.derivationPaths ?? undefined,
    item: { '': ofItem<string>('string', (item) => item) },
    maps: [],
  },
  'effects.signers': {
    needsEffects: true,
    read: ({ request }) => request.effects?.signers,
    item: { '': ofItem<string>('address', (item) => item) },
    maps: [],
  },
  'effects.outflows': {
    needsEffects: true,
    read: ({ request }) => request.effects?.outflows,
    item: {
      asset: ofItem<Outflow>('asset', (item) => item.asset),
      amount: ofItem<Outflow>('integer', (item) => amount(item.amount)),
      from: ofItem<Outflow>('address', (item) => item.from),
      to: ofItem<Outflow>('address', (item) => item.to ?? undefined, true),
      kind: ofItem<Outflow>('string', (item) => item.kind),
      own: always('boolean', ({ request, item }) => {
        const { to } = item as Outflow;
        return to !== null && request.resource.ownAddresses.has(to);
      }),
    },
    maps: [],
  },
  'effects.grants': {
    needsEffects: true,
    read: ({ request }) => request.effects?.grants,
    item: {
      kind: ofItem<Grant>('string', (item) => item.kind),
      spender: ofItem<Grant>('address', (item) => item.spender),
      asset: ofItem<Grant>('asset', (item) => item.asset),
      amount: ofItem<Grant>('integer', (item) => amount(item.amount)),
      expires: ofItem<Grant>('time', (item) => seconds(item.expires), true),
    },
    maps: [],
  },
  'effects.takeovers': {
    needsEffects: true,
    read: ({ request }) => request.effects?.takeovers,
    item: {
      kind: ofItem<Takeover>('string', (item) => item.kind),
      account: ofItem<Takeover>('address', (item) => item.account),
      by: ofItem<Takeover>('address', (item) => item.by ?? undefined, true),
    },
    maps: [],
  },
  'effects.unresolved': {
    needsEffects: true,
    read: ({ request }) => request.effects?.unresolved,
    item: {
      kind: ofItem<Unresolved>('string', (item) => item.kind),
      field: ofItem<Unresolved>('string', (item) => item.field),
      subject: ofItem<Unresolved>('string', (item) => item.subject, true),
    },
    maps: [],
  },
  'effects.calls': {
    needsEffects: true,
    read: ({ request }) => request.effects?.calls,
    item: {
      target: ofItem<Call>('address', (item) => item.target),
      name: ofItem<Call>('string', (item) => item.name ?? undefined, true),
    },
    maps: ['arguments'],
  },
  /** What can leave, summed by asset: outflows, the highest fee, and grants. */
  'effects.spending': {
    needsEffects: true,
    read: (context) => (context.request.effects === null ? undefined : context.spending()),
    item: {
      asset: ofItem<Charge>('asset', (item) => item.asset),
      amount: ofItem<Charge>('integer', (item) => item.amount),
    },
    maps: [],
  },
};

/** The list of a path, or undefined. */
export function listNamed(path: string): ListField | undefined {
  return Object.hasOwn(lists, path) ? lists[path] : undefined;
}

const keyed = /^([a-zA-Z.]+)\["([^"\\\p{Cc}]{1,64})"\]$/u;
const zoned = /^time\.now\.(getHours|getDayOfWeek)\("([A-Za-z0-9_+/-]{1,64})"\)$/;
const converted = /^int\((item\.[^()]+)\)$/;

/**
 * The field of a path, or undefined. `list` is the list whose element `item` is. Paths with a key of their own:
 * `subject.traits["k"]`, `item.arguments["k"]`, `usage["limit"]`, `<list>.size()`, `int(item.arguments["k"])`,
 * `time.now.getHours("zone")` and `time.now.getDayOfWeek("zone")` (0 is Sunday).
 */
export function fieldNamed(path: string, list: ListField | null): Field | undefined {
  if (Object.hasOwn(fields, path)) return fields[path];
  if (path === 'item') return list === null ? undefined : itemField(list, '');
  if (path.endsWith('.size()')) {
    const sized = listNamed(path.slice(0, -'.size()'.length));
    if (sized === undefined) return undefined;
    return {
      type: 'integer',
      optional: !sized.needsEffects,
      needsEffects: sized.needsEffects,
      read: (context) => {
        const elements = sized.read(context);
        return elements === undefined ? undefined : BigInt(elements.length);
      },
    };
  }
  const conversion = converted.exec(path);
  if (conversion !== null) {
    const inner = fieldNamed(conversion[1]!, list);
    if (inner === undefined || inner.type !== 'string') return undefined;
    return { ...inner, type: 'integer', optional: true, read: (context) => decimal(inner.read(context)) };
  }
  const inZone = zoned.exec(path);
  if (inZone !== null) {
    const [, method, zone] = inZone as unknown as [string, string, string];
    return always('integer', (context) => {
      const { hour, weekday } = context.localTime(zone);
      return BigInt(method === 'getHours' ? hour : weekday);
    });
  }
  const withKey = keyed.exec(path);
  if (withKey !== null) {
    const [, map, key] = withKey as unknown as [string, string, string];
    if (map === 'subject.traits')
      return sometimes('string', ({ request }) => member(request.subject.traits, key));
    if (map === 'usage') return sometimes('integer', (context) => context.usageOf(key));
    if (map.startsWith('item.') && list?.maps.includes(map.slice('item.'.length)))
      return ofItem<Call>('string', (item) => member(item.arguments, key), true);
    return undefined;
  }
  return list !== null && path.startsWith('item.') ? itemField(list, path.slice('item.'.length)) : undefined;
}

function itemField(list: ListField, name: string): Field | undefined {
  return Object.hasOwn(list.item, name) ? list.item[name] : undefined;
}

function member(map: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/** A canonical unsigned decimal of at most 256 bits; anything else is no integer. */
function decimal(value: FieldValue): bigint | undefined {
  if (typeof value !== 'string' || !/^(0|[1-9][0-9]{0,77})$/.test(value)) return undefined;
  const number = BigInt(value);
  return number < infinite ? number : undefined;
}
