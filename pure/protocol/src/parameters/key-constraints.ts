import { oneName } from '@keystead/chains/coin';
import { type KeyConstraints, unconstrained } from '../key-constraints.ts';
import type { Surface } from '../surface.ts';
import {
  array,
  boolean,
  enumeration,
  invalid,
  object,
  refine,
  type Schema,
  string,
  transform,
} from '../schema.ts';

const networkText = string({
  min: 3,
  max: 41,
  pattern: /^(solana|bip122|sui|eip155(:[1-9][0-9]{0,18})?)$/,
  description: 'solana, bip122, sui, eip155 or an EVM network such as eip155:1',
});

const assetText = string({
  min: 3,
  max: 160,
  pattern: /^[-a-z0-9]{3,8}(:[-_a-zA-Z0-9]{1,64})?\/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,128}$/,
  description: 'a CAIP-19 asset, as effects name it',
});

const amountText = string({
  min: 1,
  max: 78,
  pattern: /^(0|[1-9][0-9]*)$/,
  description: 'an amount in base units',
});

/** Effects never name a coin by its other names: a cap on one would cap nothing. */
const coinOnce = refine(assetText, (asset, path) => {
  if (oneName(asset) !== asset) throw invalid(path, `is another name of ${oneName(asset)}`);
});

const cap = object({ required: { asset: coinOnce, amount: amountText } });

function distinct(values: readonly string[], path: string): void {
  if (new Set(values).size !== values.length) throw invalid(path, 'must not repeat a value');
}

/** `constraints` of a wallet that is made (spec/signer.md §5.1). Native surface only. */
export const keyConstraints: Schema<KeyConstraints> = transform(
  object({
    optional: {
      networks: refine(array(networkText, { min: 1, max: 16 }), distinct),
      signs: enumeration(['ALL', 'MESSAGES', 'TRANSACTIONS'] as const),
      caps: refine(array(cap, { min: 1, max: 16 }), (caps, path) =>
        distinct(
          caps.map(({ asset }) => asset),
          path,
        ),
      ),
      export: boolean(),
    },
  }),
  ({ networks, signs, caps, export: exported }) => ({
    networks: networks === undefined ? undefined : [...networks],
    signs: signs ?? unconstrained.signs,
    caps: caps === undefined ? undefined : caps.map((one) => ({ ...one })),
    exportAllowed: exported ?? unconstrained.exportAllowed,
  }),
);

/** The member of requests that make a wallet. Published clients of the compatibility surface do not know it. */
export function constraintFields(surface: Surface) {
  return (surface === 'native' ? { constraints: keyConstraints } : {}) as {
    constraints: typeof keyConstraints;
  };
}
