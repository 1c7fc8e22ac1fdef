import { receiptText } from '@keystead/policy/decision-receipt';
import { checkCondition } from '@keystead/policy/language/check-condition';
import { formatCondition, formatPolicy } from '@keystead/policy/language/format';
import { parseCondition } from '@keystead/policy/language/parse-text';
import { checkNever } from '@keystead/policy/never';
import type { Command } from '../../command.ts';
import { explained, readPolicy } from '../../policy-file.ts';

export const policyCheck: Command = {
  words: ['policy', 'check'],
  summary: 'checks a policy file, and what it can never allow',
  details:
    'The file holds the text form or the JSON form; - is standard input. Nothing is sent anywhere.\n' +
    '--never asks whether a request is possible that fulfils the condition and that the policy allows: the answer is proven\n' +
    'for every request, or a request that the policy allows.',
  positionals: [{ name: 'file' }],
  options: {
    never: {
      type: 'string',
      value: 'condition',
      multiple: true,
      help: 'a condition in CEL syntax that must never be allowed',
    },
    format: { type: 'boolean', help: 'print the canonical text form' },
  },
  async run(given, surroundings) {
    const document = await readPolicy(given.positionals[0]!, surroundings);
    const answers = given.list('never').map((text) => {
      const condition = explained('--never', () => {
        const parsed = parseCondition(text);
        checkCondition(parsed, document.lists ?? {}, 'never');
        return parsed;
      });
      return { never: formatCondition(condition), ...checkNever(document, condition) };
    });
    // A counterexample is a receipt: `policy explain --receipt` decides it again.
    const never = answers.map((answer) =>
      answer.result === 'counterexample'
        ? { ...answer, receipt: JSON.parse(receiptText(answer.receipt)) as object }
        : answer,
    );
    const lines = answers.map((answer) => {
      if (answer.result === 'proven') return `never ${answer.never}: proven`;
      if (answer.result === 'unknown') return `never ${answer.never}: not decided: ${answer.why}`;
      const { request, now, usage } = answer.receipt;
      const spent = usage.spent.filter(({ sum }) => sum === 'full' || sum > 0n);
      // What is used up already and what things cost only where the answer depends on it.
      const facts = {
        now: new Date(now).toISOString(),
        request,
        ...(spent.length === 0 ? {} : { spent }),
        ...(usage.quotes.length === 0 ? {} : { quotes: usage.quotes }),
      };
      return `never ${answer.never}: allowed, for example\n${JSON.stringify(facts, plain, 2)}`;
    });
    const counts = `${document.rules.length} rules, ${document.limits?.length ?? 0} limits`;
    const failed = answers.find(({ result }) => result !== 'proven');
    return {
      json: { document, never },
      text: [given.flag('format') ? formatPolicy(document).trimEnd() : `ok: ${counts}`, ...lines].join('\n'),
      ...(failed === undefined
        ? {}
        : {
            failure: {
              detail: `${failed.never} is not ruled out`,
              hint: 'add a rule or a limit that rules it out',
            },
          }),
    };
  },
};

/** Integers as decimal strings, sets as lists. */
function plain(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Set ? [...value] : value;
}
