import {
  decideWithReceipt,
  readPolicyRequest,
  receiptText,
  verifyReceipt,
} from '@keystead/policy/decision-receipt';
import type { Command } from '../../command.ts';
import { UsageError } from '../../command-error.ts';
import { explained, readJson, readPolicy, readText } from '../../policy-file.ts';

export const policyExplain: Command = {
  words: ['policy', 'explain'],
  summary: 'says how a policy decides on a request, or decides a receipt again',
  details:
    'With --request: the request is JSON as in a receipt, nothing was used up before, and there are no prices. --json prints the\n' +
    'receipt. With --receipt: everything is taken from the file, and the decision has to come out byte for byte.',
  positionals: [{ name: 'policy', optional: true }],
  options: {
    request: { type: 'string', value: 'file', help: 'request to decide on' },
    receipt: { type: 'string', value: 'file', help: 'receipt to decide again' },
  },
  async run(given, surroundings) {
    const file = given.text('receipt');
    if (file !== undefined) {
      const text = await readText(file, surroundings);
      const same = explained(file, () => verifyReceipt(text.trim()));
      return {
        json: { same },
        text: same ? 'the same decision, byte for byte' : 'another decision',
        ...(same
          ? {}
          : {
              failure: {
                detail: 'the receipt does not follow from what it holds',
                hint: 'trust the decision here, not the one in the file',
              },
            }),
      };
    }
    const [policy] = given.positionals;
    if (policy === undefined) throw new UsageError('<policy> is missing, or --receipt');
    const document = await readPolicy(policy, surroundings);
    const requestFile = given.required('request');
    const json = await readJson(requestFile, surroundings);
    const request = explained(requestFile, () => readPolicyRequest(json));
    const usage = { spent: () => 0n, quotes: () => undefined };
    const receipt = decideWithReceipt([{ name: 'policy', document }], request, usage, Date.now());
    const { outcome, trace, hint, counterfactual } = receipt.decision;
    return {
      json: JSON.parse(receiptText(receipt)) as object,
      text: [
        outcome,
        ...trace,
        ...(counterfactual === null ? [] : [counterfactual.text]),
        ...(hint === '' ? [] : [hint]),
      ].join('\n'),
    };
  },
};
