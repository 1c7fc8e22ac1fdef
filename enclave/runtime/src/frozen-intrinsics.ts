/**
 * Freezes what the language brings when it is imported, which has to be before any other module: what runs later, a
 * dependency that was taken over included, cannot bend what passes through a method of an array, a map or a string.
 *
 * Node's own `--frozen-intrinsics` does the same and turns every method into an accessor besides, so that assignments to
 * objects that inherit one still work. The engine then inlines none of them: `charCodeAt` costs six times as much, a
 * request a sixth more. Here a frozen method stays a plain value; only the few names that programs do assign to inheriting
 * objects are accessors.
 */

/** Prototypes and names of which an object that inherits them may get one of its own by assignment. */
const assignable: readonly (readonly [object, readonly string[]])[] = [
  // Every name that an object of no special kind inherits: parsed input may have a member that is called like it.
  [Object.prototype, Object.getOwnPropertyNames(Object.prototype)],
  [Function.prototype, ['constructor', 'toString']],
  ...[
    Error,
    AggregateError,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
    DOMException,
  ].map(({ prototype }) => [prototype, ['constructor', 'message', 'name', 'toString']] as const),
];

/** The same as a data property to who reads it; writing it makes an own property of an object that inherits it. */
function makeAssignable(owner: object, name: string): void {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  if (before === undefined || !('value' in before) || !before.configurable) return;
  const { value, enumerable } = before;
  Object.defineProperty(owner, name, {
    // What it gives is reached through it, and frozen with it.
    get: Object.assign(() => value, { value }),
    set(this: object, given: unknown) {
      if (this === owner) throw new TypeError(`${name} is frozen`);
      Object.defineProperty(this, name, {
        value: given,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
    enumerable: enumerable ?? false,
    configurable: false,
  });
}

const emptyArray: readonly never[] = [];
async function* generate(): AsyncGenerator<never> {}

/** Iterator helpers came with ECMAScript 2025. */
const { Iterator: iterators } = globalThis as unknown as {
  readonly Iterator: { from(iterator: object): { map(each: () => number): object } };
};

/** What is reached from no name: iterators and the constructors behind functions. */
const nameless: readonly object[] = [
  emptyArray[Symbol.iterator](),
  ''[Symbol.iterator](),
  new Map().entries(),
  new Set().values(),
  ''.matchAll(/a/g),
  iterators.from(emptyArray.values()).map(() => 0),
  iterators.from({ next: () => ({ done: true, value: undefined }) }),
  new Intl.Segmenter().segment(''),
  new Intl.Segmenter().segment('')[Symbol.iterator](),
  function* () {},
  async () => {},
  generate,
  generate(),
];

/** Names of the language on the global object; the rest of it is Node's. */
const intrinsics = [
  'AggregateError',
  'Array',
  'ArrayBuffer',
  'AsyncDisposableStack',
  'Atomics',
  'BigInt',
  'BigInt64Array',
  'BigUint64Array',
  'Boolean',
  'DataView',
  'Date',
  'DisposableStack',
  'Error',
  'EvalError',
  'FinalizationRegistry',
  'Float16Array',
  'Float32Array',
  'Float64Array',
  'Function',
  'Int16Array',
  'Int32Array',
  'Int8Array',
  'Intl',
  'Iterator',
  'JSON',
  'Map',
  'Math',
  'Number',
  'Object',
  'Promise',
  'Proxy',
  'RangeError',
  'ReferenceError',
  'Reflect',
  'RegExp',
  'Set',
  'SharedArrayBuffer',
  'String',
  'SuppressedError',
  'Symbol',
  'SyntaxError',
  'Temporal',
  'TypeError',
  'URIError',
  'Uint16Array',
  'Uint32Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'WeakMap',
  'WeakRef',
  'WeakSet',
  'WebAssembly',
  'decodeURI',
  'decodeURIComponent',
  'encodeURI',
  'encodeURIComponent',
  'escape',
  'eval',
  'isFinite',
  'isNaN',
  'parseFloat',
  'parseInt',
  'unescape',
];

/** Globals of Node that programs call, and that nobody may exchange. */
const ofNode = [
  'DOMException',
  'TextDecoder',
  'TextEncoder',
  'atob',
  'btoa',
  'clearImmediate',
  'clearInterval',
  'clearTimeout',
  'console',
  'queueMicrotask',
  'setImmediate',
  'setInterval',
  'setTimeout',
  'structuredClone',
];

for (const [owner, names] of assignable) for (const name of names) makeAssignable(owner, name);
const frozen = new Set<object>();
for (const value of nameless) freezeBehind(Object.getPrototypeOf(value));
for (const name of [...intrinsics, ...ofNode]) {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, name);
  if (descriptor === undefined) continue;
  freezeBehind((globalThis as Record<string, unknown>)[name]);
  if (!descriptor.configurable) continue;
  const kept = 'value' in descriptor ? { ...descriptor, writable: false } : descriptor;
  Object.defineProperty(globalThis, name, { ...kept, configurable: false });
}

/** Freezes an object and all that is reached from it by properties and prototypes. */
function freezeBehind(value: unknown): void {
  const found = [value];
  while (found.length > 0) {
    const next = found.pop();
    if ((typeof next !== 'object' && typeof next !== 'function') || next === null || frozen.has(next))
      continue;
    frozen.add(next);
    for (const name of Reflect.ownKeys(next)) {
      const { value: held, get, set } = Object.getOwnPropertyDescriptor(next, name)!;
      found.push(held, get, set);
    }
    found.push(Object.getPrototypeOf(next));
    Object.freeze(next);
  }
}
