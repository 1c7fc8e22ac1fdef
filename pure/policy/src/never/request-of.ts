/** A request out of values by variable; what no goal is about is filled in. */
import type { Effects, Grant, Outflow, Takeover, Unresolved } from '@keystead/chains/effects';
import { infinite } from '../evaluation.ts';
import type { PolicyRequest } from '../request.ts';
import type { Constant } from './goal.ts';
import type { PolicyGoals } from './policy-goals.ts';

export interface Values {
  /** Missing: nothing is known of it. Null: the request lacks it. */
  readonly of: ReadonlyMap<string, Constant | readonly string[] | null>;
  /** Elements of each list, by the names of their variables. */
  readonly elements: ReadonlyMap<string, readonly string[]>;
}

export function requestOf({ action, hasEffects }: PolicyGoals, values: Values): PolicyRequest {
  const { of } = values;
  const optional = (variable: string, otherwise: string): string | null =>
    of.has(variable) ? (of.get(variable) as string | null) : otherwise;
  const text = (variable: string, otherwise: string): string =>
    (of.get(variable) as string | undefined) ?? otherwise;
  const traits: Record<string, string> = {};
  for (const [variable, value] of of) {
    const key = /^subject\.traits\["(.*)"\]$/.exec(variable)?.[1];
    if (key !== undefined && value !== null) traits[key] = value as string;
  }
  const owned = new Set<string>();
  for (const [list, receiver] of [
    ['effects.outflows', 'to'],
    ['effects.grants', 'spender'],
  ] as const)
    for (const element of values.elements.get(list) ?? [])
      if (of.get(`${element}.own`) === true)
        owned.add(text(`${element}.${receiver}`, `${element}.${receiver}`));
  return {
    subject: {
      organizationId: text('subject.organization', 'organization'),
      username: text('subject.user', 'user'),
      root: of.get('subject.root') === true,
      authenticatorId: text('subject.authenticator', 'authenticator'),
      traits,
    },
    action,
    surface: text('action.surface', 'native') as PolicyRequest['surface'],
    resource: {
      ownUser: of.get('resource.ownUser') === true,
      rawPayload: of.get('resource.rawPayload') === true,
      origin: optional('action.origin', 'https://origin.example'),
      network: optional('action.network', 'eip155:1'),
      walletId: optional('resource.wallet', 'wallet'),
      walletTags: of.has('resource.walletTags')
        ? (of.get('resource.walletTags') as readonly string[] | null)
        : [],
      owner: optional('resource.owner', 'organization'),
      derivationPaths:
        of.get('resource.derivationPaths') === null
          ? null
          : (values.elements.get('resource.derivationPaths') ?? []).map((element) => text(element, 'm')),
      address: optional('resource.address', 'address'),
      addressFormat: optional(
        'resource.addressFormat',
        'Solana',
      ) as PolicyRequest['resource']['addressFormat'],
      ownAddresses: owned,
    },
    effects: hasEffects ? effectsOf(values, text, optional) : null,
  };
}

function effectsOf(
  { of, elements }: Values,
  text: (variable: string, otherwise: string) => string,
  optional: (variable: string, otherwise: string) => string | null,
): Effects {
  const named = (variable: string): string | null => (of.get(variable) as string | null | undefined) ?? null;
  const amount = (element: string): bigint | 'unbounded' => {
    const value = (of.get(`${element}.amount`) as bigint | undefined) ?? 0n;
    return value >= infinite ? 'unbounded' : value;
  };
  const seconds = (variable: string): bigint | null => {
    const value = of.get(variable) as bigint | null | undefined;
    return value === undefined || value === null ? null : value / 1000n;
  };
  const each = <T>(list: string, make: (element: string) => T): T[] => (elements.get(list) ?? []).map(make);
  const fee = of.get('effects.fee') as bigint | null | undefined;
  return {
    chain: text('effects.chain', 'solana') as Effects['chain'],
    network: named('effects.network'),
    version: text('effects.version', 'v0'),
    signers: each('effects.signers', (element) => text(element, 'address')),
    feePayer: named('effects.feePayer'),
    maxFee:
      fee === undefined || fee === null
        ? null
        : { asset: text('effects.feeAsset', 'fee-asset'), amount: fee },
    outflows: each(
      'effects.outflows',
      (element): Outflow => ({
        asset: text(`${element}.asset`, `${element}.asset`),
        amount: amount(element),
        from: text(`${element}.from`, 'address'),
        to: optional(`${element}.to`, `${element}.to`),
        kind: text(`${element}.kind`, 'transfer') as Outflow['kind'],
      }),
    ),
    grants: each(
      'effects.grants',
      (element): Grant => ({
        kind: text(`${element}.kind`, 'allowance') as Grant['kind'],
        spender: text(`${element}.spender`, `${element}.spender`),
        asset: text(`${element}.asset`, `${element}.asset`),
        amount: amount(element),
        expires: seconds(`${element}.expires`),
      }),
    ),
    takeovers: each(
      'effects.takeovers',
      (element): Takeover => ({
        kind: text(`${element}.kind`, 'kind'),
        account: text(`${element}.account`, 'address'),
        by: named(`${element}.by`),
      }),
    ),
    unresolved: each('effects.unresolved', (element): Unresolved => {
      const subject = named(`${element}.subject`);
      return {
        kind: text(`${element}.kind`, 'kind'),
        field: text(`${element}.field`, 'field'),
        detail: 'by the search',
        ...(subject === null ? {} : { subject }),
      };
    }),
    calls: each('effects.calls', (element) => ({
      target: text(`${element}.target`, 'target'),
      name: named(`${element}.name`),
      arguments: argumentsOf(element, of),
    })),
    validity: {
      uniqueness: text('effects.uniqueness', 'nonce') as Effects['validity']['uniqueness'],
      key: '0',
      notBefore: seconds('effects.notBefore'),
      notAfter: seconds('effects.notAfter'),
    },
  };
}

function argumentsOf(element: string, of: Values['of']): Record<string, string> {
  const found: Record<string, string> = {};
  const start = `${element}.arguments["`;
  for (const [variable, value] of of)
    if (variable.startsWith(start) && value !== null)
      found[variable.slice(start.length, -2)] = value as string;
  return found;
}
