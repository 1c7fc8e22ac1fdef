/** Why something that an operator asked for is not done. Nothing was changed; nothing of it is a secret. */
export class OperatorRefusal extends Error {
  readonly code: string;
  readonly hint: string;

  constructor(code: string, detail: string, hint: string) {
    super(detail);
    this.name = 'OperatorRefusal';
    this.code = code;
    this.hint = hint;
  }
}
