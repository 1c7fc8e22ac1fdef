import { utf8Encode } from '@keystead/crypto/bytes';
import { AnsweredError } from './errors.ts';
import { within } from './recovery/within.ts';
import { throwIfAborted } from './throw-if-aborted.ts';

export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

export interface RawAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

const maximumTries = 4;
const firstPauseMilliseconds = 250;
/** An answer has at most 2 MiB of result, and the host's members beside it. */
const maximumAnswerBytes = 4 * 1024 * 1024;
const perTryMilliseconds = 30_000;

/** Refusals under a retryable status that the same bytes meet again. */
const final = [
  'organization-locked',
  'organization-quota',
  'state-rolled-back',
  'request-expired-before-commit',
].map((code) => utf8Encode(`"code":"${code}"`));

/**
 * Sends the identical bytes up to four times: after a network error, 429 and 503, as long as the stamp is valid.
 * A decided request is never decided twice (spec/stamp.md §5). Throws AnsweredError `unavailable` when no answer came.
 */
export async function transmit(options: {
  readonly fetch: Fetch;
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Milliseconds after which the bytes are not sent again. */
  readonly expires: number;
  readonly now: () => number;
  readonly wait: (milliseconds: number) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}): Promise<RawAnswer> {
  for (let tries = 1; ; tries += 1) {
    const outcome = await once(options);
    const pause = pauseAfter(outcome, tries);
    if (pause === undefined || tries === maximumTries || options.now() + pause >= options.expires) {
      if ('status' in outcome) return outcome;
      throw new AnsweredError('unavailable', {
        stated: false,
        detail: 'No answer came from the server. The request may have been decided.',
        hint: 'Check the address and the network. Only identical bytes are safe to send again.',
        cause: outcome.cause,
      });
    }
    await options.wait(pause);
    throwIfAborted(options.signal);
  }
}

type Outcome = (RawAnswer & { readonly retryAfter: string | null }) | { readonly cause: unknown };

async function once(options: Parameters<typeof transmit>[0]): Promise<Outcome> {
  throwIfAborted(options.signal);
  try {
    return await within(perTryMilliseconds, options.signal, async (signal) => {
      const response = await options.fetch(options.url, {
        method: options.method,
        headers: { accept: 'application/json', ...options.headers },
        // A redirect would carry the stamp to a place that nobody chose.
        redirect: 'error',
        signal,
        ...(options.body === undefined ? {} : { body: options.body as BodyInit }),
      });
      return {
        status: response.status,
        body: await read(response),
        retryAfter: response.headers.get('retry-after'),
      };
    });
  } catch (cause) {
    throwIfAborted(options.signal);
    return { cause };
  }
}

async function read(response: Response): Promise<Uint8Array> {
  // React Native has no streams: there an answer comes whole.
  if (response.body === undefined || response.body === null) {
    const whole = new Uint8Array(await response.arrayBuffer());
    if (whole.length > maximumAnswerBytes) throw new RangeError('the answer is too long');
    return whole;
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (let done = false; !done; ) {
    const chunk = await reader.read();
    done = chunk.done;
    if (chunk.value === undefined) continue;
    length += chunk.value.length;
    if (length > maximumAnswerBytes) {
      await reader.cancel();
      throw new RangeError('the answer is too long');
    }
    parts.push(chunk.value);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}

/** Milliseconds until the next try; undefined when there is none. */
function pauseAfter(outcome: Outcome, tries: number): number | undefined {
  const own = firstPauseMilliseconds * 2 ** (tries - 1) * (1 + Math.random() / 4);
  if (!('status' in outcome)) return own;
  if (outcome.status !== 429 && outcome.status !== 503) return undefined;
  if (final.some((mark) => includes(outcome.body, mark))) return undefined;
  const asked = outcome.retryAfter;
  return asked !== null && /^[0-9]{1,5}$/.test(asked) ? Math.max(own, Number(asked) * 1000) : own;
}

function includes(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; at + part.length <= bytes.length; at += 1)
    if (part.every((byte, index) => bytes[at + index] === byte)) return true;
  return false;
}
