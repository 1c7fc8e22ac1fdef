import { IncomingMessage } from 'node:http';
import { KmsError } from '@keystead/protocol/errors';
import type { RawRequest } from '@keystead/protocol/frames';

export type StampField = Exclude<keyof RawRequest, 'surface' | 'route' | 'path' | 'body'>;
export type StampFields = Partial<Record<StampField, string>>;

/** Headers that an enclave reads, and the most bytes that its field of RawRequest has room for. */
const stampHeaders: ReadonlyMap<string, { readonly field: StampField; readonly most: number }> = new Map([
  ['signature-input', { field: 'signatureInput', most: 4096 }],
  ['signature', { field: 'signature', most: 16384 }],
  ['content-digest', { field: 'contentDigest', most: 256 }],
  ['keystead-deployment', { field: 'deployment', most: 256 }],
  ['keystead-origin', { field: 'origin', most: 512 }],
  ['keystead-seen', { field: 'seen', most: 256 }],
  ['x-phantom-stamp', { field: 'phantomStamp', most: 16384 }],
]);

/** More than one stamp, with the status that bytes of the wrong shape have. */
export class DuplicateStampError extends KmsError {
  override readonly status = 400;

  constructor(header: string) {
    super('stamp-malformed', { field: header, detail: `The header ${header} stands more than once.` });
  }
}

/** Headers that the gateway, or `node:http` in front of it, acts on. What stands twice is joined as in RFC 9110 §5.3. */
interface ActedOn {
  'content-length': string | undefined;
  'transfer-encoding': string | undefined;
  'content-encoding': string | undefined;
  expect: string | undefined;
  te: string | undefined;
}

/** A head, read in one pass. */
export interface Head {
  /** How many Host headers there are. */
  readonly hosts: number;
  readonly actedOn: Readonly<ActedOn>;
  /** The stamp headers, byte for byte as they came. */
  readonly stamp: StampFields;
  /** What is wrong with the stamp headers. */
  readonly fault: KmsError | undefined;
}

/**
 * A request whose `headers` are those that anybody acts on: an object of all of them costs more than everything else that
 * the gateway does with a head.
 */
export class ReceivedMessage extends IncomingMessage {
  #head: Head | undefined;

  get head(): Head {
    return (this.#head ??= readHeaders(this.rawHeaders));
  }
}

Object.defineProperty(ReceivedMessage.prototype, 'headers', {
  get(this: ReceivedMessage) {
    return this.head.actedOn;
  },
});

function readHeaders(raw: readonly string[]): Head {
  let hosts = 0;
  const actedOn: ActedOn = {
    'content-length': undefined,
    'transfer-encoding': undefined,
    'content-encoding': undefined,
    expect: undefined,
    te: undefined,
  };
  const stamp: StampFields = {};
  let fault: KmsError | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    const lower = name.toLowerCase();
    const known = stampHeaders.get(lower);
    if (known !== undefined) {
      fault ??= faultOf(stamp[known.field] !== undefined, name, value, known.most);
      stamp[known.field] ??= value;
    } else if (lower === 'host') hosts += 1;
    else if (isActedOn(lower)) {
      const before = actedOn[lower];
      actedOn[lower] = before === undefined ? value : `${before}, ${value}`;
    }
  }
  return { hosts, actedOn, stamp, fault };
}

function faultOf(isSecond: boolean, name: string, value: string, most: number): KmsError | undefined {
  if (isSecond) return new DuplicateStampError(name);
  // One character is at most three bytes.
  if (value.length * 3 <= most || Buffer.byteLength(value, 'utf8') <= most) return undefined;
  return new KmsError('request-malformed', {
    detail: `The header has more than ${most} bytes.`,
    field: name,
  });
}

function isActedOn(name: string): name is keyof ActedOn {
  switch (name) {
    case 'content-length':
    case 'transfer-encoding':
    case 'content-encoding':
    case 'expect':
    case 'te':
      return true;
    default:
      return false;
  }
}
