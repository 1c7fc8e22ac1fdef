import { setTimeout as elapsed } from 'node:timers/promises';
import type { Command, Outcome } from '../../command.ts';
import { asOperator } from '../../operator-connection.ts';

/** How often it is asked whether the operators have agreed, in milliseconds. */
const interval = 500;

export const operatorRotateRoleKeys: Command = {
  words: ['operator', 'rotate', 'role-keys'],
  summary:
    'gives policy engine, signer and certifier other signing and agreement keys; the deployment keeps its id',
  details: [
    'The operators have to agree, as for keystead operator rotate wallet-key. The three enclaves are started again, which takes a few',
    'seconds: requests are answered 503 with Retry-After meanwhile, which our clients repeat by themselves. Our clients find the new',
    'keys, signed by all three roles under the old ones and the new ones, in /v1/deployment. What follows from the root seeds',
    'otherwise, such as the keys that authenticate rows and the heads log, stays.',
  ].join('\n'),
  options: {},
  run(_given, surroundings) {
    return asOperator(surroundings.home, async (connection) => {
      let answer = await connection.ask({ type: 'rotateRoleKeys' }, 'done', 'roleKeys');
      if (answer.type === 'done') surroundings.say('waiting for the operators: keystead operator unlock');
      while (answer.type === 'done') {
        await elapsed(interval);
        answer = await connection.ask({ type: 'rotated' }, 'done', 'roleKeys');
      }
      const { generation } = answer;
      return {
        json: { roleKeys: generation },
        text: `role keys of generation ${generation} are in use; copy the folder genesis to your backups, since only it has them`,
      } satisfies Outcome;
    });
  },
};
