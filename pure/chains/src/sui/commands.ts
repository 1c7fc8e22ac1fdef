import type { ParseContext } from '../chain.ts';
import type { Call, Outflow, Unresolved } from '../effects.ts';
import type { StepBudget } from '../step-budget.ts';
import { addressText } from './address.ts';
import { coinAsset, objectAsset, SUI, SUI_TYPE } from './asset.ts';
import { littleEndian } from './bcs.ts';
import { MOVE_FUNCTIONS, type MoveFunction } from './move-calls.ts';
import { type Argument, type Command, type Transaction, typeText } from './transaction.ts';

/** What one value of the running transaction can hold at most. Values are followed from command to command. */
interface Holding {
  /** MIST taken from the gas coin; `all` for the coin itself; null for none. */
  gas: bigint | 'all' | null;
  /** Input objects, or so many units of one (null: the object itself). */
  parts: { readonly id: string; readonly amount: bigint | null }[];
  /** Came out of code whose meaning is not known here. */
  unknown: boolean;
}

function nothing(): Holding {
  return { gas: null, parts: [], unknown: false };
}

function ofCode(): Holding {
  return { gas: null, parts: [], unknown: true };
}

function absorb(into: Holding, from: Holding): void {
  if (into.gas === 'all' || from.gas === 'all') into.gas = 'all';
  else if (from.gas !== null) into.gas = (into.gas ?? 0n) + from.gas;
  into.parts.push(...from.parts);
  into.unknown ||= from.unknown;
}

function sum(holdings: readonly Holding[]): Holding {
  const total = nothing();
  for (const holding of holdings) absorb(total, holding);
  return total;
}

/** Takes `amount` units out of a coin; null means an amount that is not in the bytes. */
function split(coin: Holding, amount: bigint | null): Holding {
  if (amount === null) return sum([coin]);
  if (coin.gas === 'all') return { gas: amount, parts: [], unknown: coin.unknown };
  const part: Holding = { gas: null, parts: [], unknown: coin.unknown };
  const first = coin.parts[0];
  if (first !== undefined) part.parts.push({ id: first.id, amount });
  if (coin.gas !== null) {
    part.gas = amount;
    if (first === undefined && !coin.unknown) coin.gas = coin.gas > amount ? coin.gas - amount : 0n;
  }
  return part;
}

const STEPS_PER_COMMAND = 10;
const COIN_TYPE = /^0x0*2::coin::Coin<(.+)>$/;

/** Follows values through the commands of one transaction and gathers what leaves `ours`. */
class Interpreter {
  readonly outflows: Outflow[] = [];
  readonly unresolved: Unresolved[] = [];
  readonly calls: Call[] = [];
  readonly #transaction: Transaction;
  readonly #ours: string;
  readonly #sender: string;
  readonly #gasOwner: string;
  readonly #gas: Holding = { gas: 'all', parts: [], unknown: false };
  readonly #inputs: readonly Holding[];
  /** Values of each earlier command; one of unknown content where code decides what and how many there are. */
  readonly #results: Holding[][] = [];
  readonly #doubted = new Set<string>();
  readonly #steps: StepBudget;
  /** Coin type of an object, or null for an object whose type is known to be no coin. */
  readonly #coinTypes = new Map<string, string | null>();

  constructor(transaction: Transaction, ours: string, steps: StepBudget, context: ParseContext) {
    this.#transaction = transaction;
    this.#ours = ours;
    this.#steps = steps;
    this.#sender = addressText(transaction.sender);
    this.#gasOwner = addressText(transaction.gas.owner);
    this.#inputs = transaction.inputs.map((input) => {
      const holding = nothing();
      if (input.kind === 'owned' || input.kind === 'receiving') {
        const id = addressText(input.reference.id);
        holding.parts.push({ id, amount: null });
        const type = context.objectTypes?.get(id);
        if (type !== undefined) this.#coinTypes.set(id, COIN_TYPE.exec(type)?.[1] ?? null);
      }
      return holding;
    });
    for (const command of transaction.commands) this.#learnTypes(command);
  }

  /**
   * A function that takes `Coin<T>` runs only when its argument is one: the type argument tells the type of the object,
   * in every command, because one that fails undoes them all.
   */
  #learnTypes(command: Command): void {
    const known = knownFunction(command);
    if (known === null || command.kind !== 'move-call') return;
    const [typeArgument] = command.typeArguments;
    const type = typeArgument === undefined ? SUI_TYPE : typeText(typeArgument);
    for (const position of known.coins) {
      const argument = command.arguments[position]!;
      if (argument.kind !== 'input') continue;
      const input = this.#transaction.inputs[argument.index]!;
      if (input.kind === 'owned' || input.kind === 'receiving') {
        this.#coinTypes.set(addressText(input.reference.id), type);
      }
    }
  }

  run(): void {
    if (this.#sender !== this.#ours) {
      this.#doubt('sponsored-gas', 'sender', `our gas pays for what ${this.#sender} does`);
    }
    for (const [i, command] of this.#transaction.commands.entries()) {
      this.#steps.spend(STEPS_PER_COMMAND, `commands[${i}]`);
      this.#results.push(this.#step(command, `commands[${i}]`));
    }
  }

  #doubt(kind: string, field: string, detail: string, subject?: string): void {
    const key = `${kind} ${detail}`;
    if (this.#doubted.has(key)) return;
    this.#doubted.add(key);
    this.unresolved.push(subject === undefined ? { kind, field, detail } : { kind, field, detail, subject });
  }

  #call(field: string, target: string, name: string | null, details: Record<string, string>): void {
    this.calls.push({ target, name, arguments: { command: field, ...details } });
  }

  /** The value of an argument. Its parts are charged, because values that are put together grow. */
  #holding(argument: Argument): Holding {
    const holding = this.#valueOf(argument);
    this.#steps.spend(1 + holding.parts.length);
    return holding;
  }

  #valueOf(argument: Argument): Holding {
    if (argument.kind === 'gas') return this.#gas;
    if (argument.kind === 'input') return this.#inputs[argument.index]!;
    const results = this.#results[argument.index]!;
    this.#steps.spend(results.length);
    if (argument.kind === 'nested') return results[argument.nested] ?? results[0] ?? nothing();
    if (results.length === 1) return results[0]!;
    for (const each of results) this.#steps.spend(each.parts.length);
    return sum(results);
  }

  #pure(argument: Argument, length: number): Uint8Array | null {
    if (argument.kind !== 'input') return null;
    const input = this.#transaction.inputs[argument.index]!;
    return input.kind === 'pure' && input.bytes.length === length ? input.bytes : null;
  }

  /** Notes that everything in `holding` goes to `to`; only what was ours counts. */
  #leave(holding: Holding, to: string | null, kind: Outflow['kind'], field: string): void {
    if (holding.gas !== null && this.#gasOwner === this.#ours) {
      const amount = holding.gas === 'all' ? 'unbounded' : holding.gas;
      this.outflows.push({ asset: SUI, amount, from: this.#ours, to, kind });
    }
    if (this.#sender === this.#ours) {
      for (const { id, amount } of holding.parts) {
        const coin = this.#coinTypes.get(id);
        if (coin !== undefined && coin !== null) {
          // How many units a whole coin holds is not in the bytes.
          this.outflows.push({
            asset: coinAsset(coin),
            amount: amount ?? 'unbounded',
            from: this.#ours,
            to,
            kind,
          });
          continue;
        }
        this.outflows.push({ asset: objectAsset(id), amount: amount ?? 1n, from: this.#ours, to, kind });
        if (to !== this.#ours && coin === undefined) {
          this.#doubt('object-type', field, `the type and value of object ${id} are not in the bytes`, id);
        }
      }
    }
    if (holding.unknown && to !== this.#ours) {
      const asset = objectAsset('unknown');
      this.outflows.push({ asset, amount: 'unbounded', from: this.#ours, to, kind: 'other' });
    }
  }

  #step(command: Command, field: string): Holding[] {
    switch (command.kind) {
      case 'split-coins':
        return this.#splitCoins(command, field);
      case 'transfer-objects':
        return this.#transferObjects(command, field);
      case 'merge-coins':
        return this.#mergeCoins(command, field);
      case 'make-move-vector': {
        const type = command.type === null ? '' : typeText(command.type);
        this.#call(field, 'sui', 'sui.make-move-vector', { type, elements: String(command.elements.length) });
        return [sum(command.elements.map((each) => this.#holding(each)))];
      }
      case 'move-call':
        return this.#moveCall(command, field);
      case 'publish':
        this.#call(field, 'sui', 'sui.publish', { modules: String(command.modules.length) });
        this.#doubt('publish', field, 'publishing code has no defined meaning here');
        return [ofCode()];
      case 'upgrade': {
        const target = addressText(command.package);
        this.#call(field, target, 'sui.upgrade', { modules: String(command.modules.length) });
        this.#doubt('upgrade', field, `upgrading ${target} has no defined meaning here`);
        return [ofCode()];
      }
    }
  }

  #splitCoins(command: Extract<Command, { kind: 'split-coins' }>, field: string): Holding[] {
    const coin = this.#holding(command.coin);
    const amounts = command.amounts.map((argument, i) => {
      const bytes = this.#pure(argument, 8);
      if (bytes !== null) return littleEndian(bytes);
      this.#doubt('amount', `${field}.amounts[${i}]`, 'the amount is not in the bytes');
      return null;
    });
    this.#call(field, 'sui', 'sui.split-coins', { amounts: amounts.map((each) => each ?? '?').join(',') });
    return amounts.map((amount) => split(coin, amount));
  }

  #transferObjects(command: Extract<Command, { kind: 'transfer-objects' }>, field: string): Holding[] {
    const bytes = this.#pure(command.address, 32);
    const to = bytes === null ? null : addressText(bytes);
    if (to === null) this.#doubt('recipient', `${field}.address`, 'the recipient is not in the bytes');
    const objects = String(command.objects.length);
    this.#call(field, 'sui', 'sui.transfer-objects', { to: to ?? '', objects });
    for (const [i, each] of command.objects.entries()) {
      this.#leave(this.#holding(each), to, 'transfer', `${field}.objects[${i}]`);
    }
    return [];
  }

  #mergeCoins(command: Extract<Command, { kind: 'merge-coins' }>, field: string): Holding[] {
    this.#call(field, 'sui', 'sui.merge-coins', { sources: String(command.sources.length) });
    this.#merge(command.destination, command.sources, field);
    return [];
  }

  #merge(into: Argument, sources: readonly Argument[], field: string): void {
    const destination = this.#holding(into);
    for (const [i, argument] of sources.entries()) {
      const source = this.#holding(argument);
      if (source === destination) continue;
      const owner = this.#ownerOf(into, destination);
      if (owner !== this.#ours) this.#leave(source, owner, 'transfer', `${field}.sources[${i}]`);
      absorb(destination, source);
    }
  }

  /** Who has what is merged into a coin: another address, a shared object, or nobody known for a value out of code. */
  #ownerOf(argument: Argument, holding: Holding): string | null {
    if (argument.kind === 'gas') return this.#gasOwner;
    if (argument.kind === 'input') {
      const input = this.#transaction.inputs[argument.index]!;
      if (input.kind === 'shared') return addressText(input.id);
      return this.#sender;
    }
    return holding.unknown ? null : this.#ours;
  }

  /** A function of the framework or the system; what else it takes than values is read from the bytes or doubted. */
  #knownCall(
    command: Extract<Command, { kind: 'move-call' }>,
    { name, meaning }: MoveFunction,
    field: string,
  ): Holding[] {
    const [type] = command.typeArguments;
    const details: Record<string, string> = type === undefined ? {} : { type: typeText(type) };
    const argument = (position: number): Argument => command.arguments[position]!;
    const value = (position: number): Holding => this.#holding(argument(position));
    const amountOf = (position: number): bigint | null => {
      const bytes = this.#pure(argument(position), 8);
      const amount = bytes === null ? null : littleEndian(bytes);
      if (amount === null)
        this.#doubt('amount', `${field}.arguments[${position}]`, 'the amount is not in the bytes');
      details.amount = amount === null ? '?' : String(amount);
      return amount;
    };
    const addressOf = (position: number): string | null => {
      const bytes = this.#pure(argument(position), 32);
      const to = bytes === null ? null : addressText(bytes);
      if (to === null) {
        this.#doubt('recipient', `${field}.arguments[${position}]`, 'the recipient is not in the bytes');
      }
      details.to = to ?? '';
      return to;
    };
    let results: Holding[] = [];
    switch (meaning.kind) {
      case 'nothing':
        results = [nothing()];
        break;
      case 'split': {
        const part = split(value(meaning.coin), amountOf(meaning.amount));
        if (meaning.kept) this.#leave(part, this.#sender, 'transfer', field);
        else results = [part];
        break;
      }
      case 'join':
        this.#merge(argument(meaning.into), [argument(meaning.from)], field);
        break;
      case 'transfer':
        this.#leave(value(meaning.object), addressOf(meaning.to), 'transfer', field);
        break;
      case 'pay':
        this.#leave(
          split(value(meaning.coin), amountOf(meaning.amount)),
          addressOf(meaning.to),
          'transfer',
          field,
        );
        break;
      case 'keep':
        this.#leave(value(meaning.object), this.#sender, 'other', field);
        break;
      case 'stake':
        details.validator = addressOf(meaning.validator) ?? '';
        delete details.to;
        this.#leave(value(meaning.coin), this.#sender, 'other', field);
        break;
    }
    this.#call(field, addressText(command.package), `sui.${name}`, details);
    return results;
  }

  #moveCall(command: Extract<Command, { kind: 'move-call' }>, field: string): Holding[] {
    const known = knownFunction(command);
    if (known !== null) return this.#knownCall(command, known, field);
    const target = addressText(command.package);
    this.#call(field, target, null, {
      module: command.module,
      function: command.function,
      typeArguments: command.typeArguments.map(typeText).join(', '),
      arguments: String(command.arguments.length),
    });
    const path = `${target}::${command.module}::${command.function}`;
    this.#doubt('move-call', field, path, path);
    for (const [i, argument] of command.arguments.entries()) {
      const holding = this.#holding(argument);
      this.#leave({ ...holding, unknown: false }, null, 'call-value', `${field}.arguments[${i}]`);
      // The code may have put anything into a value that it was lent.
      if (holding !== this.#gas) holding.unknown = true;
    }
    return [ofCode()];
  }
}

/** The function of a Move call with a defined meaning, or null; with other numbers of arguments it is another one. */
function knownFunction(command: Command): MoveFunction | null {
  if (command.kind !== 'move-call') return null;
  const target = `${addressText(command.package)}::${command.module}::${command.function}`;
  const known = MOVE_FUNCTIONS.get(target);
  if (known === undefined || known.arguments !== command.arguments.length) return null;
  return known.typeArguments === command.typeArguments.length ? known : null;
}

/** What the commands move out of the address `ours`, what they call, and what cannot be bounded. */
export function readCommands(
  transaction: Transaction,
  ours: string,
  steps: StepBudget,
  context: ParseContext,
): { outflows: Outflow[]; unresolved: Unresolved[]; calls: Call[] } {
  const interpreter = new Interpreter(transaction, ours, steps, context);
  interpreter.run();
  return interpreter;
}
