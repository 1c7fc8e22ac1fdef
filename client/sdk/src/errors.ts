import { errorCodes, isErrorCode, KmsError, type KmsErrorOptions } from '@keystead/protocol/errors';
import type { ErrorCode } from '@keystead/protocol/errors';

export { errorCodes, isErrorCode, KmsError };
export type { ErrorCode, KmsErrorOptions };

/** An error that the deployment answered with, or that stands for no answer at all. */
export class AnsweredError extends KmsError {
  /**
   * True when an enclave of the pinned deployment states this refusal of this request; it is final for these bytes.
   * False when only the host says so: a request without a valid stamp, a shed request, or no answer.
   */
  readonly stated: boolean;
  /** The gateway's name for the request, for questions to the operator. */
  readonly requestId: string | undefined;

  constructor(
    code: ErrorCode,
    options: KmsErrorOptions & { readonly stated: boolean; readonly requestId?: string | undefined },
  ) {
    super(code, options);
    this.stated = options.stated;
    this.requestId = options.requestId;
  }
}

const constant = ['type', 'code', 'title', 'detail', 'message', 'error', 'requestId', 'field', 'hint'];

/** The error of an error body. A body of another shape, or with a code that is not known here, becomes `internal`. */
export function errorOfBody(status: number, body: unknown, stated: boolean): AnsweredError {
  const members =
    typeof body === 'object' && body !== null && !Array.isArray(body)
      ? (body as Record<string, unknown>)
      : {};
  const text = (name: string): string | undefined => {
    const value = members[name];
    return typeof value === 'string' && value.length <= 4096 ? value : undefined;
  };
  const code = text('code') ?? '';
  const requestId = text('requestId');
  if (!isErrorCode(code))
    return new AnsweredError('internal', {
      detail: `The server answered with status ${status} and no error code that is known here.`,
      stated: false,
      requestId,
    });
  const extra = Object.fromEntries(
    Object.entries(members).filter(([name]) => !constant.includes(name) && name !== 'signature'),
  );
  return new AnsweredError(code, {
    stated,
    requestId,
    ...(text('detail') === undefined ? {} : { detail: text('detail')! }),
    field: text('field'),
    hint: text('hint'),
    extra: Object.keys(extra).length === 0 ? undefined : extra,
  });
}
