import type { Quote, QuoteHour, QuoteRecord } from './pricing.ts';

/** A record of quotes as cells of the state and receipts hold it: integers that may be large are decimal text. */
export interface QuoteCell {
  readonly quotes: readonly (Omit<Quote, 'scaled'> & { readonly scaled: string })[];
  readonly hours: readonly (Omit<QuoteHour, 'area'> & { readonly area: string })[];
  readonly floor: string;
  readonly decimals?: number;
}

export function quoteCell({ quotes, hours, floor, ...others }: QuoteRecord): QuoteCell {
  return {
    ...others,
    quotes: quotes.map((quote) => ({ ...quote, scaled: quote.scaled.toString() })),
    hours: hours.map((hour) => ({ ...hour, area: hour.area.toString() })),
    floor: floor.toString(),
  };
}

/** `integer` reads the text, and throws where it is none. */
export function quoteRecord(
  { quotes, hours, floor, ...others }: QuoteCell,
  integer: (text: string) => bigint,
): QuoteRecord {
  return {
    ...others,
    quotes: quotes.map((quote) => ({ ...quote, scaled: integer(quote.scaled) })),
    hours: hours.map((hour) => ({ ...hour, area: integer(hour.area) })),
    floor: integer(floor),
  };
}
