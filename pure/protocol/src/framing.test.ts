import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameReader, frame } from './framing.ts';

test('cuts the same payloads out of a stream however it is chunked', () => {
  const payloads = [1, 2, 300, 70000].map((length, index) => new Uint8Array(length).fill(index + 1));
  const stream = Buffer.concat(payloads.map(frame));
  for (const size of [1, 2, 3, 5, 7, 1000, stream.length]) {
    const reader = new FrameReader();
    const seen: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += size)
      seen.push(...reader.push(stream.subarray(at, at + size)));
    assert.deepEqual(seen, payloads);
  }
});

test('refuses an empty frame and a length above the maximum without waiting for the bytes', () => {
  assert.throws(() => new FrameReader().push(new Uint8Array([0, 0, 0, 0])), RangeError);
  assert.throws(() => new FrameReader().push(new Uint8Array([0xff, 0, 0, 0])), RangeError);
  assert.throws(() => frame(new Uint8Array(0)), RangeError);
});

test('stays refused after a broken length', () => {
  const reader = new FrameReader();
  assert.throws(() => reader.push(new Uint8Array([0xff, 0, 0, 0])));
  assert.throws(() => reader.push(frame(new Uint8Array([1]))));
});
