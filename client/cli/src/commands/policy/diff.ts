import type { Command } from '../../command.ts';
import { readPolicy } from '../../policy-file.ts';
import { differenceJson, differenceText, policyDifference } from '../../policy-difference.ts';

export const policyDiff: Command = {
  words: ['policy', 'diff'],
  summary: 'what a new policy allows that an old one does not, and the other way round',
  details:
    'Not a comparison of texts: either nothing, proven for every request, or a request that the one allows and the other\n' +
    'denies. Nothing is sent anywhere.',
  positionals: [{ name: 'old' }, { name: 'new' }],
  options: {
    narrower: {
      type: 'boolean',
      help: 'fail unless the new policy allows nothing that the old one does not',
    },
  },
  async run(given, surroundings) {
    const before = await readPolicy(given.positionals[0]!, surroundings);
    const after = await readPolicy(given.positionals[1]!, surroundings);
    const difference = policyDifference(before, after);
    const isWider = given.flag('narrower') && difference.gained.result !== 'none';
    return {
      json: differenceJson(difference),
      text: differenceText(difference),
      ...(isWider
        ? {
            failure: {
              detail: 'the new policy is not proven to allow nothing more',
              hint: 'leave --narrower away if it is meant to',
            },
          }
        : {}),
    };
  },
};
