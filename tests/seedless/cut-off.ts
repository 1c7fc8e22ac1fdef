/** `before`: the request never leaves. `after`: it is done, and its answer is lost. Everything later fails as well. */
export type Cut = { readonly request: number; readonly when: 'before' | 'after' };

/** Sends until the cut, and nothing afterwards. */
export function cutAt({ request, when }: Cut): typeof fetch {
  let count = 0;
  return async (input, init) => {
    count += 1;
    if (count < request) return fetch(input, init);
    if (count === request && when === 'after') await (await fetch(input, init)).arrayBuffer();
    throw new TypeError('connection lost');
  };
}
