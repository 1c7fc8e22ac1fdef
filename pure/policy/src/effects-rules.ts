import type { Effects } from '@keystead/chains/effects';
import type { Verdict } from './decide.ts';

/**
 * What no policy without a rule that names it lets pass, ROOT included: what could not be resolved from the bytes,
 * what no figure bounds, and what hands control of an account to somebody else. `signsBlindly`: typed data whose type has
 * no defined meaning passes, because raw payloads would pass as well.
 */
export function decideEffects(effects: Effects | null, signsBlindly: boolean): Verdict | null {
  if (effects === null) return null;
  const deny = (rule: string, field: string, why: string, hint: string): Verdict => ({
    pass: false,
    rule,
    why,
    field,
    hint,
  });

  const unresolved = effects.unresolved.find(({ kind }) => !signsBlindly || kind !== 'typed-data-unknown');
  if (unresolved !== undefined) {
    return deny(
      'effects-unresolved',
      unresolved.field,
      `${unresolved.kind} at ${unresolved.field}: ${unresolved.detail}`,
      'Build the transaction so that its effects follow from its bytes alone.',
    );
  }
  const [takeover] = effects.takeovers;
  if (takeover !== undefined) {
    return deny(
      'effects-takeover',
      `takeovers[0].${takeover.kind}`,
      `${takeover.kind} would hand ${takeover.account} to ${takeover.by ?? 'somebody else'}`,
      'Build the transaction without the change of control.',
    );
  }
  const outflow = effects.outflows.findIndex(({ amount }) => amount === 'unbounded');
  if (outflow >= 0) {
    const { asset, kind } = effects.outflows[outflow]!;
    return deny(
      'effects-unbounded',
      `outflows[${outflow}].amount`,
      `nothing bounds how much of ${asset} leaves by ${kind}`,
      'State a maximum in the transaction.',
    );
  }
  const grant = effects.grants.findIndex(({ amount }) => amount === 'unbounded');
  if (grant >= 0) {
    const { asset, kind, spender } = effects.grants[grant]!;
    return deny(
      'effects-unbounded',
      `grants[${grant}].amount`,
      `${kind} lets ${spender} take any amount of ${asset}`,
      'State the amount that is needed, not the largest number.',
    );
  }
  return { pass: true, rule: 'effects', why: 'every effect is resolved and bounded' };
}
