import { CommandError } from '../command-error.ts';

const patience = 15_000;

/** A chain's node, asked for what a transaction needs beside the wallet's key. The node is not trusted with more. */
export interface ChainNode {
  /** Throws CommandError when the node refuses, does not answer or answers something else. */
  call(method: string, params: readonly unknown[]): Promise<unknown>;
}

/** A node that speaks JSON-RPC 2.0 over HTTP. The URL may hold a key: it is never repeated in an error. */
export function chainNode(url: string): ChainNode {
  if (!/^https?:\/\//.test(url))
    throw new CommandError('the RPC URL is no http or https URL', 'correct --rpc or KEYSTEAD_RPC_URL');
  let id = 0;
  return {
    async call(method, params) {
      let answer: { result?: unknown; error?: { code?: unknown; message?: unknown } };
      try {
        const response = await fetch(url, {
          method: 'POST',
          redirect: 'error',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params }),
          signal: AbortSignal.timeout(patience),
        });
        answer = (await response.json()) as typeof answer;
      } catch {
        throw new CommandError(`the node did not answer ${method}`, 'check --rpc or KEYSTEAD_RPC_URL');
      }
      if (answer?.error !== undefined && answer.error !== null)
        throw new CommandError(
          `the node refused ${method}: ${String(answer.error.message ?? answer.error.code).slice(0, 300)}`,
          'nothing was signed',
        );
      return answer?.result;
    },
  };
}
