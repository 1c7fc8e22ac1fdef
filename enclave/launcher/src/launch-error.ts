/** Exit codes of the launcher (sysexits.h): 1 for a failure of the machine, 78 for a configuration to be changed. */
export const exitFailure = 1;
export const exitConfiguration = 78;

/** Something that starting again cannot mend. `detail` and `hint` are shown to the operator. */
export class LaunchError extends Error {
  readonly hint: string;
  readonly exitCode: number;

  constructor(detail: string, hint: string, exitCode = exitFailure, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'LaunchError';
    this.hint = hint;
    this.exitCode = exitCode;
  }
}
