import { coinDecimals } from '@keystead/chains/coin';
import { assetText } from '@keystead/policy/language/address-text';
import { scaledPrice, withQuote } from '@keystead/policy/pricing';
import { KmsError } from '@keystead/protocol/errors';
import type { ChangeContext } from '../context.ts';
import { sourceOf } from '../sources.ts';
import { quotesIn, writeQuotes } from '../usage.ts';

/**
 * A source is a user of the organization: its key stands in the authority set, and what it states in the chain. Sources of
 * one operator are one voice.
 */
export function change({ request, draft, caller, time }: ChangeContext<'statePrices'>): unknown {
  const { organizationId, prices } = request.params;
  const { source, operator } = sourceOf(draft, caller, 'prices');
  for (const [index, { asset: given, microsPerUnit, decimals }] of prices.entries()) {
    const asset = canonical(given, `params.prices[${index}].asset`);
    const known = coinDecimals(asset);
    if (known !== undefined && known !== decimals)
      throw new KmsError('parameter-invalid', {
        field: `params.prices[${index}].decimals`,
        detail: `${asset} has ${known} decimals`,
      });
    const scaled = scaledPrice(BigInt(microsPerUnit), decimals);
    const quote = { operator, source, time, scaled, decimals };
    writeQuotes(draft, asset, withQuote(quotesIn(draft, asset), quote, known));
  }
  return { organizationId, source, prices: prices.length };
}

function canonical(asset: string, field: string): string {
  try {
    return assetText(asset);
  } catch (cause) {
    throw new KmsError('parameter-invalid', { field, detail: `${field} holds a wrong checksum`, cause });
  }
}
