import { assetText } from '@keystead/policy/language/address-text';
import { scaledPrice, withQuote } from '@keystead/policy/pricing';
import { KmsError } from '@keystead/protocol/errors';
import type { ChangeContext } from '../context.ts';
import { quotesIn, writeQuotes } from '../usage.ts';

/** A source is a user of the organization: its key stands in the authority set, and what it states in the chain. */
export function change({ request, draft, caller, time }: ChangeContext<'statePrices'>): unknown {
  const { organizationId, prices } = request.params;
  if (caller === null) throw new KmsError('internal', {});
  for (const [index, { asset: given, microsPerUnit, decimals }] of prices.entries()) {
    const asset = canonical(given, `params.prices[${index}].asset`);
    const quote = {
      source: caller.user.username,
      time,
      scaled: scaledPrice(BigInt(microsPerUnit), decimals),
    };
    writeQuotes(draft, asset, withQuote(quotesIn(draft, asset), quote));
  }
  return { organizationId, source: caller.user.username, prices: prices.length };
}

function canonical(asset: string, field: string): string {
  try {
    return assetText(asset);
  } catch (cause) {
    throw new KmsError('parameter-invalid', { field, detail: `${field} holds a wrong checksum`, cause });
  }
}
