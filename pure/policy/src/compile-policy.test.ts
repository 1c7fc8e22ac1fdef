import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describedText } from '../testing/described.ts';
import { type ActionClass, actionClasses } from './action-class.ts';
import { type CompiledRule, compilePolicy, indexOf } from './compile-policy.ts';
import type { PolicyDocument } from './language/document.ts';
import { parsePolicy } from './language/parse-text.ts';

const compiled = (text: string) => compilePolicy('p', parsePolicy(`policy 1;\n${text}`));
const names = (rules: readonly CompiledRule[]): string[] => rules.map(({ name }) => name);
type Chain = Parameters<typeof indexOf>[1];
const allowing = (text: string, action: ActionClass, chain: Chain = null): string[] => {
  const policy = compiled(text);
  return names(policy.index[indexOf(action, chain)]!.allows);
};
/** Actions on which a rule that the policy consists of is applied. */
const actionsOf = (text: string): ActionClass[] => {
  const policy = compiled(text);
  return actionClasses.filter((action) => {
    const { allows, denies } = policy.index[indexOf(action, null)]!;
    return allows.length + denies.length > 0;
  });
};

describe('rules by action and chain', () => {
  it('stand in the order of their ids, so that what is reported does not depend on the text', () => {
    const text = ['b', 'c', 'a']
      .map((id) => `allow "${id}" when true; deny "no-${id}" when true;`)
      .join('\n');
    const { allows, denies } = compiled(text);
    assert.deepEqual(names(allows), ['p/a', 'p/b', 'p/c']);
    assert.deepEqual(names(denies), ['p/no-a', 'p/no-b', 'p/no-c']);
    assert.deepEqual(
      allows.map(({ passes }) => passes),
      ['p/a: pass', 'p/b: pass', 'p/c: pass'],
    );
  });

  it('leave out chains only where the outermost condition names others', () => {
    const chains = ['solana', 'ethereum', 'bitcoin', 'sui'] as const;
    const on = (when: string): Chain[] =>
      chains.filter(
        (chain) =>
          allowing(`list l = ["sui"]; allow "a" when ${when};`, 'sign-transaction', chain).length > 0,
      );
    assert.deepEqual(on('effects.chain == "sui"'), ['sui']);
    assert.deepEqual(on('effects.chain in ["sui", "solana"]'), ['solana', 'sui']);
    assert.deepEqual(on('effects.fee > 1 && effects.chain == "bitcoin"'), ['bitcoin']);
    assert.deepEqual(on('effects.version == "sui" && effects.network in ["solana"]'), chains);
    for (const open of [
      'effects.chain != "sui"',
      'effects.chain in l',
      'effects.chain == "sui" || effects.fee > 1',
      '!(effects.chain == "sui")',
      'effects.chain.startsWith("s")',
      'has(effects.chain)',
    ])
      assert.deepEqual(on(open), chains, open);
    // Without a transaction there is no chain to leave out.
    assert.deepEqual(allowing('allow "a" when effects.chain == "sui";', 'sign-transaction'), ['p/a']);
  });

  it('without actions are about all that have what the condition names, and never about what is not offered', () => {
    const all = actionClasses.filter((action) => action !== 'unsupported');
    assert.deepEqual(actionsOf('deny "d" when subject.root;'), all);
    assert.deepEqual(
      actionsOf('allow "a" when subject.root;'),
      all.filter((action) => action !== 'sign-raw-payload'),
    );
    const signing: ActionClass[] = ['sign-typed-data', 'sign-transaction'];
    assert.deepEqual(actionsOf('deny "d" when effects.fee > 1;'), signing);
    assert.deepEqual(actionsOf('deny "d" on read when subject.root;'), ['read']);
  });

  it('let a dry run pass where some rule may let the transaction pass', () => {
    assert.deepEqual(allowing('allow "a" on sign-transaction when effects.fee > 1;', 'dry-run'), [
      'p/dry-run',
    ]);
    assert.deepEqual(allowing('allow "a" on sign-message when true;', 'dry-run'), []);
    assert.deepEqual(allowing('deny "d" on sign-transaction when true;', 'dry-run'), []);
    assert.deepEqual(allowing('allow "a" on sign-transaction when true;', 'read'), []);
    const own = 'allow "a" on sign-transaction when true; allow "try" on dry-run when subject.root;';
    assert.deepEqual(allowing(own, 'dry-run'), ['p/try']);
    const [rule] = compiled('allow "a" on sign-transaction when effects.fee > 1;').index[
      indexOf('dry-run', null)
    ]!.allows;
    assert.deepEqual([rule!.test({} as never), rule!.approvals, rule!.passes], [1, 0, 'p/dry-run: pass']);
    assert.deepEqual(rule!.document, {
      id: 'dry-run',
      effect: 'allow',
      on: ['dry-run'],
      when: { constant: true },
    });
  });

  it('read transactions as everybody does unless the policy describes calls or owners', () => {
    assert.equal(compiled('allow "a" when true;').reading, null);
    const { calls, owners } = parsePolicy(describedText);
    const empty = { version: 1, rules: [] } as const;
    const reading = (over: Partial<PolicyDocument>) => compilePolicy('p', { ...empty, ...over }).reading;
    assert.deepEqual(reading({ calls: calls!, owners: owners! }), { calls, knownOwners: owners });
    assert.deepEqual(reading({ calls: calls! }), { calls, knownOwners: [] });
    assert.deepEqual(reading({ owners: owners! }), { calls: [], knownOwners: owners });
    // As many of the one as of the other are not none.
    const one = { calls: calls!.slice(0, 1), owners: owners!.slice(0, 1) };
    assert.deepEqual(reading(one), { calls: one.calls, knownOwners: one.owners });
  });
});
