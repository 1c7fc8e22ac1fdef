import { parseAddress } from '@keystead/chains/solana/address';
import { KmsError } from '@keystead/protocol/errors';
import type { Fact } from '@keystead/protocol/methods/stateFacts';
import type { ChangeContext } from '../context.ts';
import { type FactKind, factName, standing } from '../facts.ts';
import { sourceOf } from '../sources.ts';

/**
 * What sources say about the chain (spec/effects.md §3.1). Nobody is believed alone, and nobody while operators disagree.
 */
export function change({ request, draft, caller, time }: ChangeContext<'stateFacts'>): unknown {
  const { organizationId, facts } = request.params;
  const { source, operator } = sourceOf(draft, caller, 'facts');
  const stated = facts.map((fact, index) => statementOf(fact, `params.facts[${index}]`));
  const names = stated.map(({ kind, subject }) => factName(kind, subject));
  if (new Set(names).size < names.length)
    throw new KmsError('parameter-invalid', {
      field: 'params.facts',
      detail: 'the same thing stands there twice',
    });
  const organization = draft.cell('organization');
  if (organization === undefined) throw new KmsError('organization-locked', {});
  if (organization.facts === undefined) draft.write('organization', '', { ...organization, facts: true });
  return {
    organizationId,
    source,
    facts: stated.map(({ kind, subject, value }, index) => {
      const name = names[index]!;
      const known = draft.cell('fact', name)?.statements ?? [];
      const cell = {
        statements: [
          ...known.filter((statement) => statement.operator !== operator),
          { operator, source, value, time },
        ],
      };
      draft.write('fact', name, cell);
      return { kind, subject, stands: standing(kind, cell, time) !== undefined };
    }),
  };
}

interface Statement {
  readonly kind: FactKind;
  readonly subject: string;
  readonly value: string;
}

function statementOf(fact: Fact, at: string): Statement {
  const { kind } = fact;
  switch (kind) {
    case 'lookup-table-entry':
      return {
        kind,
        subject: `${address(fact.table, `${at}.table`)}#${fact.index}`,
        value: address(fact.address, `${at}.address`),
      };
    case 'token-account':
      return {
        kind,
        subject: address(fact.account, `${at}.account`),
        value: `${address(fact.mint, `${at}.mint`)} ${address(fact.owner, `${at}.owner`)}`,
      };
    case 'object-type':
      return { kind, subject: fact.object, value: fact.type };
  }
}

/** Base58 of 32 bytes has one spelling. */
function address(text: string, field: string): string {
  try {
    parseAddress(text);
    return text;
  } catch (cause) {
    throw new KmsError('parameter-invalid', { field, detail: `${field} is no Solana address`, cause });
  }
}
