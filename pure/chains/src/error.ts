/** Thrown when bytes cannot be understood or must not be signed; the code is stable and part of the API. */
export class ChainError extends Error {
  readonly code: string;
  readonly field: string | undefined;

  /**
   * @param code stable, kebab-case, e.g. `transaction-malformed`
   * @param detail one sentence for a person; never contains secret material
   * @param field the part of the transaction that caused it, e.g. `instructions[2].data`
   */
  constructor(code: string, detail: string, field?: string) {
    super(detail);
    this.name = 'ChainError';
    this.code = code;
    this.field = field;
  }
}
