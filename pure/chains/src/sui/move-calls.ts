/**
 * Functions of the framework (package 0x2) and of the system (0x3) whose meaning is defined by the protocol itself: what
 * they take, and what becomes of it. Numbers are positions of arguments; the transaction context is never among them.
 */
export type MoveMeaning =
  /** Nothing moves. */
  | { readonly kind: 'nothing' }
  /** Units of a coin become a coin of their own: the result, or the sender's. */
  | { readonly kind: 'split'; readonly coin: number; readonly amount: number; readonly kept: boolean }
  /** Coins become part of another. */
  | { readonly kind: 'join'; readonly into: number; readonly from: number }
  /** An object, or all coins of a list, go to an address. */
  | { readonly kind: 'transfer'; readonly object: number; readonly to: number }
  /** Units of a coin go to an address. */
  | { readonly kind: 'pay'; readonly coin: number; readonly amount: number; readonly to: number }
  /** Stays with the sender, in another form. */
  | { readonly kind: 'keep'; readonly object: number }
  /** SUI is bound to a validator; the sender gets the stake. */
  | { readonly kind: 'stake'; readonly coin: number; readonly validator: number };

export interface MoveFunction {
  readonly name: string;
  readonly typeArguments: number;
  readonly arguments: number;
  /** Arguments that are `Coin<T>` of the first type argument, or of SUI where there is none. */
  readonly coins: readonly number[];
  readonly meaning: MoveMeaning;
}

const FRAMEWORK = `0x${'2'.padStart(64, '0')}`;
const SYSTEM = `0x${'3'.padStart(64, '0')}`;

function entry(
  target: string,
  name: string,
  [typeArguments, argumentCount]: readonly [number, number],
  coins: readonly number[],
  meaning: MoveMeaning,
): readonly [string, MoveFunction] {
  return [target, { name, typeArguments, arguments: argumentCount, coins, meaning }];
}

/** By `package::module::function`, addresses in full. */
export const MOVE_FUNCTIONS: ReadonlyMap<string, MoveFunction> = new Map([
  entry(`${FRAMEWORK}::coin::zero`, 'coin.zero', [1, 0], [], { kind: 'nothing' }),
  entry(`${FRAMEWORK}::coin::value`, 'coin.value', [1, 1], [0], { kind: 'nothing' }),
  entry(`${FRAMEWORK}::coin::destroy_zero`, 'coin.destroy-zero', [1, 1], [0], { kind: 'nothing' }),
  entry(`${FRAMEWORK}::coin::split`, 'coin.split', [1, 2], [0], {
    kind: 'split',
    coin: 0,
    amount: 1,
    kept: false,
  }),
  entry(`${FRAMEWORK}::coin::join`, 'coin.join', [1, 2], [0, 1], { kind: 'join', into: 0, from: 1 }),
  entry(`${FRAMEWORK}::pay::keep`, 'pay.keep', [1, 1], [0], { kind: 'keep', object: 0 }),
  entry(`${FRAMEWORK}::pay::split`, 'pay.split', [1, 2], [0], {
    kind: 'split',
    coin: 0,
    amount: 1,
    kept: true,
  }),
  entry(`${FRAMEWORK}::pay::divide_and_keep`, 'pay.divide-and-keep', [1, 2], [0], { kind: 'nothing' }),
  entry(`${FRAMEWORK}::pay::join`, 'pay.join', [1, 2], [0, 1], { kind: 'join', into: 0, from: 1 }),
  entry(`${FRAMEWORK}::pay::join_vec`, 'pay.join-vec', [1, 2], [0], { kind: 'join', into: 0, from: 1 }),
  entry(`${FRAMEWORK}::pay::split_and_transfer`, 'pay.split-and-transfer', [1, 3], [0], {
    kind: 'pay',
    coin: 0,
    amount: 1,
    to: 2,
  }),
  entry(`${FRAMEWORK}::pay::join_vec_and_transfer`, 'pay.join-vec-and-transfer', [1, 2], [], {
    kind: 'transfer',
    object: 0,
    to: 1,
  }),
  entry(`${FRAMEWORK}::transfer::public_transfer`, 'transfer.public-transfer', [1, 2], [], {
    kind: 'transfer',
    object: 0,
    to: 1,
  }),
  entry(`${SYSTEM}::sui_system::request_add_stake`, 'stake.add', [0, 3], [1], {
    kind: 'stake',
    coin: 1,
    validator: 2,
  }),
  entry(`${SYSTEM}::sui_system::request_add_stake_mul_coin`, 'stake.add-coins', [0, 4], [], {
    kind: 'stake',
    coin: 1,
    validator: 3,
  }),
  entry(`${SYSTEM}::sui_system::request_withdraw_stake`, 'stake.withdraw', [0, 2], [], {
    kind: 'keep',
    object: 1,
  }),
]);
