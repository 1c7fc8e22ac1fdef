/** A command that did not do what was asked; `hint` says what to do next. Exit code 1. */
export class CommandError extends Error {
  readonly hint: string;

  constructor(detail: string, hint: string) {
    super(detail);
    this.name = 'CommandError';
    this.hint = hint;
  }
}

/** The command line itself is wrong. Exit code 2. */
export class UsageError extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'UsageError';
  }
}
