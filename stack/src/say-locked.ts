/** Tells whoever started `what` in `home` that it waits for its operators. */
export function sayLocked(state: 'founding' | 'locked', what = '', home = ''): void {
  const where = home === '' ? 'with the same KEYSTEAD_HOME' : `with KEYSTEAD_HOME=${home}`;
  const prefix = what === '' ? '' : `${what}: `;
  process.stderr.write(
    state === 'founding'
      ? `${prefix}not founded yet: keystead operator found, ${where}\n`
      : `${prefix}locked: keystead operator unlock, ${where}\n`,
  );
}
