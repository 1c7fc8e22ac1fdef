/** Why the stack does not start or cannot go on: one line for the operator, and what to do. */
export class StackError extends Error {
  readonly hint: string;
  /** 1, or 78 for a configuration that has to be changed (sysexits.h). */
  readonly exitCode: number;

  constructor(detail: string, hint: string, options: ErrorOptions & { exitCode?: number } = {}) {
    super(detail, options);
    this.name = 'StackError';
    this.hint = hint;
    this.exitCode = options.exitCode ?? 1;
  }
}
