/** Reads the text form (spec/policy.md §4). What it returns is unchecked; `policyDocument.parse` checks it. */
import type { KmsError } from '@keystead/protocol/errors';
import { bounds, type Comparison, type Condition, type Operator } from './document.ts';
import { policyDocument } from './read-document.ts';
import type { PolicyDocument } from './document.ts';
import { syntaxError, type Token, tokensOf } from './tokens.ts';

/** Names that stand for constants in an expression: one value, or the name of a list. */
export type Constants = Readonly<Record<string, string | boolean | { readonly list: string }>>;

/** A policy in text form. Throws KmsError `parameter-invalid` that names line and column, or the path of a fault. */
export function parsePolicy(source: string): PolicyDocument {
  if (source.length > 4 * bounds.bytes) throw syntaxError(source, 0, 'the text is too long');
  return policyDocument.parse(new Parser(source, {}).policy(), 'policy');
}

/** One condition in CEL syntax. `constants` are names that it may use. Throws KmsError `parameter-invalid`. */
export function parseCondition(source: string, constants: Constants = {}): Condition {
  if (source.length > bounds.bytes) throw syntaxError(source, 0, 'the text is too long');
  return new Parser(source, constants).whole();
}

type Mutable = Record<string, unknown>;
type Constant = { readonly constant: string | boolean | readonly string[] } | { readonly list: string };
type Operand = { readonly path: string } | Constant;

const flipped: Readonly<Record<string, Operator>> = {
  '==': '==',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

class Parser {
  readonly #source: string;
  readonly #constants: Constants;
  readonly #tokens: readonly Token[];
  #index = 0;
  /** Name of the element of the list that the condition goes through. */
  #variable: string | null = null;
  #depth = 0;

  constructor(source: string, constants: Constants) {
    this.#source = source;
    this.#constants = constants;
    this.#tokens = tokensOf(source);
  }

  // Statements

  policy(): Mutable {
    const lists: Mutable = Object.create(null) as Mutable;
    const rules: Mutable[] = [];
    const limits: Mutable[] = [];
    const calls: Mutable[] = [];
    let owners: readonly string[] | undefined;
    let pricing: Mutable | undefined;
    this.#word('policy');
    if (this.#take('integer').text !== '1') throw this.#expected('version 1', this.#index - 1);
    this.#sign(';');
    for (;;) {
      const comment = this.#comments();
      const token = this.#peek();
      if (token.kind === 'end') break;
      const word = this.#take('name').text;
      if (word === 'list') {
        const at = this.#index;
        const { text } = this.#take('name');
        if (Object.hasOwn(lists, text))
          throw syntaxError(this.#source, this.#tokens[at]!.offset, `${text} is there twice`);
        this.#sign('=');
        lists[text] = this.#strings();
      } else if (word === 'pricing' && pricing === undefined) pricing = this.#pricing();
      else if (word === 'owners' && owners === undefined) owners = this.#strings();
      else if (word === 'call') calls.push(this.#callDescription());
      else if (word === 'allow' || word === 'deny') rules.push(this.#rule(word, comment));
      else if (word === 'limit') limits.push(this.#limit(comment));
      else throw this.#expected('list, pricing or owners once, call, allow, deny or limit', this.#index - 1);
      this.#sign(';');
    }
    return {
      version: 1,
      ...(Object.keys(lists).length === 0 ? {} : { lists }),
      ...(calls.length === 0 ? {} : { calls }),
      ...(owners === undefined ? {} : { owners }),
      rules,
      ...(limits.length === 0 ? {} : { limits }),
      ...(pricing === undefined ? {} : { pricing }),
    };
  }

  #callDescription(): Mutable {
    const name = this.#take('string').text;
    const chain = this.#take('name').text;
    if (chain === 'ethereum')
      return {
        chain,
        name,
        network: this.#take('string').text,
        contract: this.#take('string').text,
        signature: this.#take('string').text,
      };
    if (chain !== 'solana') throw this.#expected('ethereum or solana', this.#index - 1);
    const program = this.#take('string').text;
    const discriminator = this.#take('string').text;
    this.#sign('(');
    const given: Mutable[] = [];
    while (!this.#trySign(')')) {
      if (given.length > 0) this.#sign(',');
      const argument = this.#take('name').text;
      this.#sign(':');
      given.push({ name: argument, type: this.#borshType(0) });
    }
    this.#word('accounts');
    this.#sign('[');
    const accounts: string[] = [];
    while (!this.#trySign(']')) {
      if (accounts.length > 0) this.#sign(',');
      accounts.push(this.#take('name').text);
    }
    const more = this.#tryWord('more') ? { moreAccounts: true } : {};
    return { chain, name, program, discriminator, arguments: given, accounts, ...more };
  }

  #borshType(depth: number): unknown {
    if (depth > bounds.conditionDepth) throw this.#expected('less depth', this.#index);
    const { text } = this.#take('name');
    if (text !== 'option' && text !== 'vec' && text !== 'array') return text;
    this.#sign('(');
    const inner = this.#borshType(depth + 1);
    let length: number | undefined;
    if (text === 'array') {
      this.#sign(',');
      length = Number(this.#take('integer').text);
    }
    this.#sign(')');
    return { [text]: length === undefined ? inner : [inner, length] };
  }

  #pricing(): Mutable {
    this.#word('age');
    const maximumAgeSeconds = this.#duration();
    this.#word('deviation');
    const maximumDeviation = Number(this.#take('integer').text);
    this.#word('sources');
    return { maximumAgeSeconds, maximumDeviation, sources: Number(this.#take('integer').text) };
  }

  #rule(effect: string, comment: string | undefined): Mutable {
    const rule: Mutable = { id: this.#take('string').text, effect };
    if (this.#tryWord('on')) rule.on = this.#words();
    this.#word('when');
    rule.when = this.#or();
    if (this.#tryWord('accepting')) {
      const accepts: Mutable[] = [];
      do accepts.push(this.#acceptance());
      while (this.#trySign(','));
      rule.accepts = accepts;
    }
    if (this.#tryWord('approvals')) rule.approvals = Number(this.#take('integer').text);
    if (this.#tryWord('delay')) rule.delaySeconds = this.#duration();
    if (comment !== undefined) rule.comment = comment;
    return rule;
  }

  #acceptance(): Mutable {
    const acceptance: Mutable = { what: this.#take('name').text };
    this.#sign('(');
    acceptance.kind = this.#take('string').text;
    while (this.#trySign(',')) {
      const { text } = this.#take('name');
      if (!['subject', 'asset', 'by'].includes(text) || acceptance[text] !== undefined)
        throw this.#expected('subject, asset or by, once each', this.#index - 1);
      this.#sign(':');
      acceptance[text] = this.#take('string').text;
    }
    this.#sign(')');
    return acceptance;
  }

  #limit(comment: string | undefined): Mutable {
    const limit: Mutable = { id: this.#take('string').text };
    if (this.#tryWord('on')) limit.on = this.#words();
    limit.meter = this.#take('name').text;
    if (this.#tryWord('per')) limit.per = this.#words();
    const across: Mutable = {};
    while (this.#tryWord('across')) {
      const { text } = this.#take('name');
      if (Object.hasOwn(across, text)) throw this.#expected(`${text} once`, this.#index - 1);
      this.#word('in');
      across[text] = this.#peek().kind === 'name' ? { list: this.#take('name').text } : this.#strings();
    }
    if (Object.keys(across).length > 0) limit.across = across;
    if (this.#tryWord('excluding')) {
      this.#word('own');
      limit.excludeOwn = true;
    }
    this.#word('over');
    limit.window = this.#window();
    this.#word('max');
    limit.max = this.#take('integer').text;
    if (comment !== undefined) limit.comment = comment;
    return limit;
  }

  #window(): Mutable {
    const kind = this.#take('name').text;
    if (kind === 'transaction' || kind === 'lifetime') return { kind };
    this.#sign('(');
    const window: Mutable = { kind };
    if (kind === 'calendar') {
      window.unit = this.#take('string').text;
      this.#sign(',');
      window.timeZone = this.#take('string').text;
    } else if (kind === 'rolling' || kind === 'fixed') {
      window.seconds = this.#duration();
      if (kind === 'fixed') {
        this.#sign(',');
        this.#word('timestamp');
        this.#sign('(');
        window.anchor = this.#take('string').text;
        this.#sign(')');
      }
    } else throw this.#expected('transaction, rolling, fixed, calendar or lifetime', this.#index - 2);
    this.#sign(')');
    return window;
  }

  #duration(): number {
    this.#word('duration');
    this.#sign('(');
    const { text } = this.#take('string');
    const parts = /^([1-9][0-9]{0,8})([smh])$/.exec(text);
    if (parts === null) throw this.#expected('a duration such as "90s", "15m" or "24h"', this.#index - 1);
    this.#sign(')');
    return Number(parts[1]) * { s: 1, m: 60, h: 3600 }[parts[2] as 's' | 'm' | 'h'];
  }

  #strings(): string[] {
    this.#sign('[');
    const strings: string[] = [];
    if (this.#trySign(']')) return strings;
    do strings.push(this.#take('string').text);
    while (this.#trySign(','));
    this.#sign(']');
    return strings;
  }

  #words(): string[] {
    const words: string[] = [];
    do words.push(this.#take('name').text);
    while (this.#trySign(','));
    return words;
  }

  #comments(): string | undefined {
    const lines: string[] = [];
    while (this.#tokens[this.#index]!.kind === 'comment') lines.push(this.#tokens[this.#index++]!.text);
    return lines.length === 0 ? undefined : lines.join('\n');
  }

  // Conditions

  whole(): Condition {
    const condition = this.#or();
    if (this.#peek().kind !== 'end') throw this.#expected('the end', this.#index);
    return condition;
  }

  #or(): Condition {
    this.#depth += 1;
    // More than a document allows: parentheses that mean nothing are no depth of it.
    if (this.#depth > 4 * bounds.conditionDepth) throw this.#expected('less depth', this.#index);
    const parts = [this.#and()];
    while (this.#trySign('||')) parts.push(this.#and());
    this.#depth -= 1;
    return parts.length === 1 ? parts[0]! : { any: parts };
  }

  #and(): Condition {
    const parts = [this.#unary()];
    while (this.#trySign('&&')) parts.push(this.#unary());
    return parts.length === 1 ? parts[0]! : { all: parts };
  }

  #unary(): Condition {
    let negations = 0;
    while (this.#trySign('!')) {
      negations += 1;
      if (negations > bounds.conditionDepth) throw this.#expected('fewer negations', this.#index);
    }
    let condition = this.#relation(negations === 0);
    for (; negations > 0; negations -= 1) condition = { not: condition };
    return condition;
  }

  /** `!a == b` would read in two ways, so a relation under a negation needs parentheses. */
  #relation(mayCompare: boolean): Condition {
    if (this.#trySign('(')) {
      const inner = this.#or();
      this.#sign(')');
      return inner;
    }
    const start = this.#index;
    const left = this.#operand();
    if ('condition' in left) return left.condition;
    const token = this.#peek();
    const isRelation =
      (token.kind === 'sign' && Object.hasOwn(flipped, token.text)) ||
      (token.kind === 'name' && token.text === 'in');
    if (!isRelation) {
      if ('path' in left) return { field: left.path, operator: '==', value: true };
      if ('constant' in left && typeof left.constant === 'boolean') return { constant: left.constant };
      throw this.#expected('a condition', start);
    }
    if (!mayCompare) throw this.#expected('parentheses around the comparison', start);
    this.#index += 1;
    const rightAt = this.#index;
    const right = this.#operand();
    if ('condition' in right) throw this.#expected('a constant', rightAt);
    return this.#comparison(left, token.text, right, rightAt);
  }

  #comparison(left: Operand, sign: string, right: Operand, at: number): Condition {
    if (sign === 'in') {
      if ('path' in left && 'list' in right) return { field: left.path, operator: 'in', list: right.list };
      if ('path' in left && 'constant' in right && Array.isArray(right.constant))
        return { field: left.path, operator: 'in', value: right.constant };
      if ('constant' in left && typeof left.constant === 'string' && 'path' in right)
        return { field: right.path, operator: 'contains', value: left.constant };
      throw this.#expected('a list, or a set after a string', at);
    }
    const scalar = (operand: Operand): operand is { readonly constant: string | boolean } =>
      'constant' in operand && !Array.isArray(operand.constant);
    if ('path' in left && scalar(right)) return compared(left.path, sign as Operator, right.constant);
    if (scalar(left) && 'path' in right) return compared(right.path, flipped[sign]!, left.constant);
    throw this.#expected('a field on one side and a constant on the other', at);
  }

  /** A constant, a path, or what is a condition of its own: `has`, `all`, `exists`, `startsWith`. */
  #operand(): Operand | { readonly condition: Condition } {
    const token = this.#peek();
    if (token.kind === 'string' || token.kind === 'integer') {
      this.#index += 1;
      return { constant: token.text };
    }
    if (token.kind === 'sign' && token.text === '[') return { constant: this.#constantsInList() };
    const { text } = this.#take('name');
    if (text === 'true' || text === 'false') return { constant: text === 'true' };
    if (text === 'timestamp') return { constant: this.#call(() => this.#take('string').text) };
    if (text === 'has') return { condition: { has: this.#call(() => this.#path(this.#take('name').text)) } };
    if (text === 'int') return { path: `int(${this.#call(() => this.#path(this.#take('name').text))})` };
    if (Object.hasOwn(this.#constants, text)) {
      const known = this.#constants[text]!;
      return typeof known === 'object' ? known : { constant: known };
    }
    // A bare name is a list: no field has one.
    if (text !== this.#variable && !this.#isSign('.') && !this.#isSign('[')) return { list: text };
    return this.#pathOrCall(text);
  }

  #constantsInList(): string[] {
    this.#sign('[');
    const values: string[] = [];
    do {
      const token = this.#peek();
      if (token.kind === 'string' || token.kind === 'integer') {
        this.#index += 1;
        values.push(token.text);
      } else throw this.#expected('a constant', this.#index);
    } while (this.#trySign(','));
    this.#sign(']');
    return values;
  }

  #call<T>(inner: () => T): T {
    this.#sign('(');
    const value = inner();
    this.#sign(')');
    return value;
  }

  #path(first: string): string {
    const at = this.#index;
    const found = this.#pathOrCall(first);
    if (!('path' in found)) throw this.#expected('a field', at);
    return found.path;
  }

  #pathOrCall(first: string): { readonly path: string } | { readonly condition: Condition } {
    let path = first === this.#variable ? 'item' : first;
    for (;;) {
      if (this.#trySign('[')) {
        path += `[${JSON.stringify(this.#take('string').text)}]`;
        this.#sign(']');
        continue;
      }
      if (!this.#trySign('.')) return { path };
      const { text } = this.#take('name');
      if (!this.#isSign('(')) {
        path += `.${text}`;
        continue;
      }
      switch (text) {
        case 'all':
          return { condition: { every: path, where: this.#where() } };
        case 'exists':
          return { condition: { some: path, where: this.#where() } };
        case 'startsWith':
          return {
            condition: {
              field: path,
              operator: 'startsWith',
              value: this.#call(() => this.#take('string').text),
            },
          };
        case 'size':
          this.#call(() => {});
          return { path: `${path}.size()` };
        case 'getHours':
        case 'getDayOfWeek':
          return { path: `${path}.${text}(${JSON.stringify(this.#call(() => this.#take('string').text))})` };
        default:
          throw this.#expected('all, exists, startsWith, size, getHours or getDayOfWeek', this.#index - 1);
      }
    }
  }

  #where(): Condition {
    if (this.#variable !== null) throw this.#expected('no list inside another list', this.#index);
    return this.#call(() => {
      this.#variable = this.#take('name').text;
      this.#sign(',');
      const condition = this.#or();
      this.#variable = null;
      return condition;
    });
  }

  // Tokens

  #peek(): Token {
    this.#skipComments();
    return this.#tokens[this.#index]!;
  }

  #skipComments(): void {
    while (this.#tokens[this.#index]!.kind === 'comment') this.#index += 1;
  }

  #take(kind: Token['kind']): Token {
    const token = this.#peek();
    if (token.kind !== kind)
      throw this.#expected(kind === 'integer' ? 'an integer' : `a ${kind}`, this.#index);
    this.#index += 1;
    return token;
  }

  #isSign(text: string): boolean {
    const token = this.#peek();
    return token.kind === 'sign' && token.text === text;
  }

  #trySign(text: string): boolean {
    if (!this.#isSign(text)) return false;
    this.#index += 1;
    return true;
  }

  #sign(text: string): void {
    if (!this.#trySign(text)) throw this.#expected(text, this.#index);
  }

  #tryWord(text: string): boolean {
    const token = this.#peek();
    if (token.kind !== 'name' || token.text !== text) return false;
    this.#index += 1;
    return true;
  }

  #word(text: string): void {
    if (!this.#tryWord(text)) throw this.#expected(text, this.#index);
  }

  #expected(what: string, index: number): KmsError {
    const token = this.#tokens[Math.min(index, this.#tokens.length - 1)]!;
    return syntaxError(this.#source, token.offset, `expected ${what}, found ${token.text}`);
  }
}

function compared(field: string, operator: Operator, value: string | boolean): Comparison {
  return { field, operator, value };
}
