/**
 * Why a group of advances is refused (spec/receipt.md §4): one of the codes of that table, or the code of the rule of
 * the authority set that forbids the change.
 */
export class AdvanceRefused extends Error {
  readonly code: string;

  constructor(code: string, detail = '') {
    super(detail === '' ? code : `${code}: ${detail}`);
    this.name = 'AdvanceRefused';
    this.code = code;
  }
}
