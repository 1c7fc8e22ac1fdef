import type { StretchInput } from './recovery/argon2.ts';
import { stretchHere } from './recovery/argon2-here.ts';

/** The program of the worker that stretches PINs in browsers, so that the page never stands still. */
const scope = globalThis as unknown as {
  onmessage: ((event: { readonly data: StretchInput }) => void) | null;
  postMessage(message: unknown): void;
};

scope.onmessage = ({ data }) => {
  stretchHere(data).then(
    (stretched) => scope.postMessage({ stretched }),
    () => scope.postMessage({}),
  );
};
