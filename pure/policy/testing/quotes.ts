import { type QuoteRecord, scaledPrice, withQuote } from '@keystead/policy/pricing';

/** What two operators say alike at one moment, each by a source of its name. */
export function agreedQuotes(
  micros: bigint,
  decimals: number,
  time: number,
  operators: readonly string[] = ['feed', 'other'],
): QuoteRecord {
  return operators.reduce<QuoteRecord | undefined>(
    (record, operator) =>
      withQuote(record, {
        operator,
        source: operator,
        time,
        scaled: scaledPrice(micros, decimals),
        decimals,
      }),
    undefined,
  )!;
}
