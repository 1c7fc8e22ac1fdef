/**
 * Leaves root for the user id in the program's first argument, before anything is read but the program itself
 * (spec/isolation.md §2). The capabilities go with it, and the process is no longer dumpable, so that not even
 * another process of the same user can read its memory. Without the argument nothing happens. Throws when the
 * user id does not hold afterwards.
 */
export function becomeUser(words: readonly string[]): void {
  const word = words[2];
  if (word === undefined) return;
  if (!/^[1-9][0-9]{0,9}$/.test(word)) throw new TypeError('the argument is no user id');
  const id = Number(word);
  process.setgroups!([]);
  process.setgid!(id);
  process.setuid!(id);
  if (process.getuid!() !== id || process.geteuid!() !== id || process.getegid!() !== id)
    throw new TypeError('the user id did not change');
}

/** A sandbox tool leaves the working directory behind in the environment. */
export function emptyEnvironment(): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
}
