/** The parts of the isolation of an enclave (spec/isolation.md §1), in the order in which they are named. */
export const isolationParts = ['uid', 'namespaces', 'readonly', 'seccomp', 'permission'] as const;
export type IsolationPart = (typeof isolationParts)[number];

/**
 * The parts of a comma-separated list, in canonical order; `none` is the empty list. Without a list: all in the
 * production profile, none in development. Throws TypeError that names what is unknown.
 */
export function parseIsolation(
  list: string | undefined,
  profile: 'development' | 'production',
): readonly IsolationPart[] {
  if (list === undefined) return profile === 'production' ? isolationParts : [];
  if (list.trim() === 'none') return [];
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !(isolationParts as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new TypeError(`no part of the isolation is called ${unknown || '(empty)'}`);
  return isolationParts.filter((part) => names.includes(part));
}
