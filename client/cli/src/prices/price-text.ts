/** Longest text of a price; the method takes 30 digits. */
const maximumDigits = 30;
/** Places that an exponent may move the point by: nothing costs more or less. */
const maximumExponent = 40;

/**
 * Micro US dollars of a price in US dollars as JSON or people write it, rounded up; undefined for what is no price above
 * zero. Nothing passes through a float.
 */
export function microsOf(text: string): string | undefined {
  const match = /^(\d{1,40})(?:\.(\d{1,60}))?(?:[eE]([+-]?\d{1,2}))?$/.exec(text);
  if (match === null) return undefined;
  const [, whole = '', fraction = '', exponentText = '0'] = match;
  const exponent = Number(exponentText);
  if (Math.abs(exponent) > maximumExponent) return undefined;
  const digits = BigInt(whole + fraction);
  if (digits === 0n) return undefined;
  const shift = 6 + exponent - fraction.length;
  const micros =
    shift >= 0
      ? digits * 10n ** BigInt(shift)
      : (digits + 10n ** BigInt(-shift) - 1n) / 10n ** BigInt(-shift);
  const written = micros.toString();
  return written.length > maximumDigits ? undefined : written;
}
