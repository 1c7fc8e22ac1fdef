import { concatBytes } from '@keystead/crypto/bytes';
import { FromHeads, type HeadsRecord, maximumHeadsRecordBytes, ToHeads } from '@keystead/protocol/heads';
import type { HeadsPort, LoadedHeads } from './heads-port.ts';
import type { FrameStream } from './stream.ts';

/** One question under way. It takes messages until it has its answer, and then says true. */
type Question = (message: FromHeads) => boolean;

/**
 * The heads port over the stream to the keeper (spec/heads.md). `turn` is called after messages were taken and
 * when something is to be sent; `failed` once, when the keeper refuses, is lost or says something else.
 */
export function openHeadsStream(
  stream: FrameStream,
  turn: () => void,
  failed: (reason: string) => void,
): HeadsPort {
  const questions: Question[] = [];

  stream.start(
    (payloads) => {
      for (const payload of payloads) {
        let message: FromHeads;
        try {
          message = FromHeads.decode(payload);
        } catch {
          return failed('heads-malformed');
        }
        if (message.type === 'refused') return failed(`heads-refused-${message.code}`);
        const question = questions[0];
        if (question === undefined) return failed('heads-unasked');
        try {
          if (question(message)) questions.shift();
        } catch {
          return failed('heads-malformed');
        }
      }
      turn();
    },
    () => failed('heads-closed'),
  );

  const ask = (message: ToHeads) => {
    stream.send(ToHeads.encode(message));
    turn();
  };

  return {
    load: () =>
      new Promise<LoadedHeads>((resolve) => {
        const parts: Uint8Array[] = [];
        const records: HeadsRecord[] = [];
        questions.push((message) => {
          if (message.type !== 'loaded') throw new TypeError('another answer');
          if (message.snapshot !== undefined) parts.push(message.snapshot);
          records.push(...message.records);
          if (!message.last) return false;
          const snapshot = parts.length === 0 ? undefined : concatBytes(...parts);
          resolve({ snapshot, snapshotSequence: message.snapshotSequence, records });
          return true;
        });
        ask({ type: 'load' });
      }),
    append: (sequence, record) =>
      new Promise<void>((resolve) => {
        questions.push((message) => {
          if (message.type !== 'appended' || message.sequence !== sequence)
            throw new TypeError('another answer');
          resolve();
          return true;
        });
        ask({ type: 'append', sequence, record });
      }),
    snapshot: (sequence, state) =>
      new Promise<void>((resolve) => {
        questions.push((message) => {
          if (message.type !== 'snapshotted' || message.sequence !== sequence)
            throw new TypeError('another answer');
          resolve();
          return true;
        });
        for (let offset = 0; offset === 0 || offset < state.length; offset += maximumHeadsRecordBytes) {
          const end = Math.min(state.length, offset + maximumHeadsRecordBytes);
          ask({ type: 'snapshot', sequence, bytes: state.slice(offset, end), last: end === state.length });
        }
      }),
  };
}
