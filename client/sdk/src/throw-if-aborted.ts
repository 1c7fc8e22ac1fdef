/** As `AbortSignal.throwIfAborted`, with what React Native has: its signals have neither that nor a reason. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw signal.reason ?? Object.assign(new Error('the call was aborted'), { name: 'AbortError' });
}
