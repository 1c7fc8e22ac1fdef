import type { Call, Outflow, Unresolved } from '../effects.ts';
import { addressText } from './address.ts';
import { objectAsset, SUI } from './asset.ts';
import { littleEndian } from './bcs.ts';
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

  constructor(transaction: Transaction, ours: string) {
    this.#transaction = transaction;
    this.#ours = ours;
    this.#sender = addressText(transaction.sender);
    this.#gasOwner = addressText(transaction.gas.owner);
    this.#inputs = transaction.inputs.map((input) => {
      const holding = nothing();
      if (input.kind === 'owned' || input.kind === 'receiving') {
        holding.parts.push({ id: addressText(input.reference.id), amount: null });
      }
      return holding;
    });
  }

  run(): void {
    if (this.#sender !== this.#ours) {
      this.#doubt('sponsored-gas', 'sender', `our gas pays for what ${this.#sender} does`);
    }
    for (const [i, command] of this.#transaction.commands.entries()) {
      this.#results.push(this.#step(command, `commands[${i}]`));
    }
  }

  #doubt(kind: string, field: string, detail: string): void {
    const key = `${kind} ${detail}`;
    if (this.#doubted.has(key)) return;
    this.#doubted.add(key);
    this.unresolved.push({ kind, field, detail });
  }

  #call(field: string, target: string, name: string | null, details: Record<string, string>): void {
    this.calls.push({ target, name, arguments: { command: field, ...details } });
  }

  #holding(argument: Argument): Holding {
    if (argument.kind === 'gas') return this.#gas;
    if (argument.kind === 'input') return this.#inputs[argument.index]!;
    const results = this.#results[argument.index]!;
    if (argument.kind === 'result') return results.length === 1 ? results[0]! : sum(results);
    return results[argument.nested] ?? results[0] ?? nothing();
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
        this.outflows.push({ asset: objectAsset(id), amount: amount ?? 1n, from: this.#ours, to, kind });
        if (to !== this.#ours) {
          this.#doubt('object-type', field, `the type and value of object ${id} are not in the bytes`);
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
    const destination = this.#holding(command.destination);
    this.#call(field, 'sui', 'sui.merge-coins', { sources: String(command.sources.length) });
    for (const [i, argument] of command.sources.entries()) {
      const source = this.#holding(argument);
      if (source === destination) continue;
      const owner = this.#ownerOf(command.destination, destination);
      if (owner !== this.#ours) this.#leave(source, owner, 'transfer', `${field}.sources[${i}]`);
      absorb(destination, source);
    }
    return [];
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

  #moveCall(command: Extract<Command, { kind: 'move-call' }>, field: string): Holding[] {
    const target = addressText(command.package);
    this.#call(field, target, null, {
      module: command.module,
      function: command.function,
      typeArguments: command.typeArguments.map(typeText).join(', '),
      arguments: String(command.arguments.length),
    });
    this.#doubt('move-call', field, `${target}::${command.module}::${command.function}`);
    for (const [i, argument] of command.arguments.entries()) {
      const holding = this.#holding(argument);
      this.#leave({ ...holding, unknown: false }, null, 'call-value', `${field}.arguments[${i}]`);
      // The code may have put anything into a value that it was lent.
      if (holding !== this.#gas) holding.unknown = true;
    }
    return [ofCode()];
  }
}

/** What the commands move out of the address `ours`, what they call, and what cannot be bounded. */
export function readCommands(
  transaction: Transaction,
  ours: string,
): { outflows: Outflow[]; unresolved: Unresolved[]; calls: Call[] } {
  const interpreter = new Interpreter(transaction, ours);
  interpreter.run();
  return interpreter;
}
