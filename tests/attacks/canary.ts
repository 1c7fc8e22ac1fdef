/** Finds secrets in whatever leaves an enclave, in the forms in which software writes bytes. */
import { base58Encode } from '@keystead/crypto/base58';

/** The forms of one secret: raw, hexadecimal of both cases, base64 and base64url at each alignment, base58. */
function formsOf(secret: Uint8Array): readonly [form: string, needle: Buffer][] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const text = (form: string, value: string): [string, Buffer] => [form, Buffer.from(value, 'latin1')];
  const aligned = [0, 1, 2].flatMap((offset) => {
    // Without the characters that neighbouring bytes share.
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const core = encoded.slice(offset === 0 ? 0 : 4, 4 * Math.floor((offset + bytes.length) / 3));
    const url = core.replaceAll('+', '-').replaceAll('/', '_');
    return [text(`base64 at ${offset}`, core), text(`base64url at ${offset}`, url)];
  });
  return [
    ['raw', bytes],
    text('hexadecimal', hex),
    text('hexadecimal in capitals', hex.toUpperCase()),
    ...aligned,
    text('base58', base58Encode(secret)),
    text('integers', [...bytes].join(',')),
  ];
}

export interface Place {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Where any of the secrets stands, as `name: secret, form`. */
export function findSecrets(
  secrets: Readonly<Record<string, Uint8Array>>,
  places: readonly Place[],
): string[] {
  const found: string[] = [];
  for (const [secret, bytes] of Object.entries(secrets)) {
    const forms = formsOf(bytes);
    for (const place of places) {
      const haystack = Buffer.from(place.bytes.buffer, place.bytes.byteOffset, place.bytes.length);
      for (const [form, needle] of forms)
        if (haystack.includes(needle)) found.push(`${place.name}: ${secret}, ${form}`);
    }
  }
  return found;
}

/** The secret planted in each of its forms: a scan that misses one of them proves nothing. */
export function planted(secret: Uint8Array): readonly Place[] {
  return formsOf(secret).map(([form, needle]) => ({
    name: form,
    bytes: Buffer.concat([Buffer.from('before '), needle, Buffer.from(' after')]),
  }));
}
