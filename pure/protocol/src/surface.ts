import { object, type Schema } from './schema.ts';

/** `native` is /v1/rpc; `compatibility` is /v1/wallets, for published third-party clients. */
export type Surface = 'native' | 'compatibility';

/**
 * Members of a request's objects. On the compatibility surface null stands for an absent optional member,
 * because clients in languages with option types write it so; the native surface has one form.
 */
export const members = <
  R extends Readonly<Record<string, Schema<unknown>>>,
  O extends Readonly<Record<string, Schema<unknown>>> = Record<never, never>,
>(
  surface: Surface,
  fields: { readonly required?: R; readonly optional?: O },
) => object(fields, { nullIsAbsent: surface === 'compatibility' });
