import { compilePolicy } from '@keystead/policy/compile-policy';
import { decideInWords } from '@keystead/policy/decide';
import { readPolicyRequest } from '@keystead/policy/decision-receipt';
import type { Command } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { explained, readJson, readPolicy } from '../../policy-file.ts';

interface Case {
  readonly name: string;
  readonly request: unknown;
  readonly expect: 'allow' | 'deny';
  /** Rule that has to decide, `policy/rule`. */
  readonly rule?: string;
  /** RFC 3339; the present by default. */
  readonly now?: string;
  /** What counters have used up, by name. */
  readonly spent?: Readonly<Record<string, string>>;
}

export const policyTest: Command = {
  words: ['policy', 'test'],
  summary: 'decides the cases of a test file',
  details:
    'The test file is JSON: {"cases": [{"name", "request", "expect": "allow" or "deny", "rule"?, "now"?, "spent"?}]}. Policy and\n' +
    'cases can lie in version control together. Nothing is sent anywhere.',
  positionals: [{ name: 'policy' }, { name: 'cases' }],
  options: {},
  async run(given, surroundings) {
    const [policyFile, casesFile] = given.positionals as [string, string];
    const policies = [compilePolicy('policy', await readPolicy(policyFile, surroundings))];
    const { cases } = (await readJson(casesFile, surroundings)) as { cases?: readonly Case[] };
    if (!Array.isArray(cases) || cases.length === 0)
      throw new CommandError(`${casesFile} has no cases`, 'keystead policy test --help has the form');
    const results = (cases as readonly Case[]).map(({ name, request, expect, rule, now, spent = {} }) => {
      const facts = explained(`${casesFile}: ${name}`, () => readPolicyRequest(request));
      const usage = { spent: (scope: string) => BigInt(spent[scope] ?? '0'), quotes: () => undefined };
      const decision = decideInWords(
        policies,
        facts,
        usage,
        now === undefined ? Date.now() : Date.parse(now),
      );
      const passed = decision.outcome === expect && (rule === undefined || decision.rule === rule);
      return { name, passed, outcome: decision.outcome, rule: decision.rule, trace: decision.trace };
    });
    const failed = results.filter(({ passed }) => !passed);
    return {
      json: { passed: results.length - failed.length, failed: failed.length, results },
      text: results
        .map(({ name, passed, trace }) =>
          passed ? `ok    ${name}` : `FAIL  ${name}\n      ${trace.join('\n      ')}`,
        )
        .join('\n'),
      ...(failed.length === 0
        ? {}
        : {
            failure: {
              detail: `${failed.length} of ${results.length} cases failed`,
              hint: 'read the trace of each',
            },
          }),
    };
  },
};
