import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const freezing = ['--import', join(import.meta.dirname, 'frozen-intrinsics.ts')];

function run(flags: readonly string[], program: string): unknown {
  const words = ['--disable-warning=ExperimentalWarning', ...flags, '--input-type=module', '-'];
  const output = execFileSync(process.execPath, words, {
    input: program,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return JSON.parse(output.toString());
}

/** Paths of all that is reached from the global object by properties and prototypes, and whether it is frozen. */
const WALK = `
const found = new Map();
const visit = (value, path) => {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || found.has(value)) return;
  if (path.split('.').length > 5) return;
  found.set(value, [path, Object.isFrozen(value)]);
  for (const name of Reflect.ownKeys(value)) {
    const { value: held, get, set } = Object.getOwnPropertyDescriptor(value, name);
    const below = path + '.' + String(name);
    visit(held, below);
    // The flag makes a pair of accessors of a method and keeps the method beside them.
    if (get !== undefined && Object.hasOwn(get, 'value')) visit(get.value, below);
    else for (const accessor of [get, set]) visit(accessor, below + ' accessor');
  }
  visit(Object.getPrototypeOf(value), path + '.[[Prototype]]');
};
const names = Object.getOwnPropertyNames(globalThis).filter((name) => !/^(globalThis|global|process|Buffer)$/.test(name));
const values = { '[]': [].values(), "''": ''[Symbol.iterator](), map: new Map().keys(), set: new Set().keys(),
  match: ''.matchAll(/a/g), generator: function* () {}, async: async () => {}, asyncGenerator: async function* () {} };
for (const [name, value] of Object.entries(values)) visit(Object.getPrototypeOf(value), name);
for (const name of names) {
  const { value } = Object.getOwnPropertyDescriptor(globalThis, name);
  visit(value, name);
}
console.log(JSON.stringify([...found.values()].filter(([, frozen]) => frozen).map(([path]) => path)));
`;

test('everything is frozen that the flag of Node freezes, and nothing is without either', () => {
  const ours = new Set(run(freezing, WALK) as string[]);
  const flag = run(['--frozen-intrinsics'], WALK) as string[];
  assert.ok(flag.length > 1000, String(flag.length));
  assert.deepEqual(
    flag.filter((path) => !ours.has(path)),
    [],
  );
  assert.ok((run([], WALK) as string[]).length < 50);
});

test('a name of the language on the global object cannot be exchanged', () => {
  const EXCHANGE = `
const names = ['Array', 'Function', 'JSON', 'Map', 'Math', 'Object', 'Promise', 'RegExp', 'String', 'Uint8Array', 'setImmediate'];
const exchanged = names.filter((name) => {
  try { globalThis[name] = null; } catch {}
  try { Object.defineProperty(globalThis, name, { value: null }); } catch {}
  return globalThis[name] === null;
});
process.stdout.write(exchanged.length + '');
`;
  assert.equal(run(freezing, EXCHANGE), 0);
  assert.equal(run([], EXCHANGE), 11);
});

test('an object may have members that are called like those it inherits, and an error its own name', () => {
  const ASSIGN = `
const members = Object.getOwnPropertyNames(Object.prototype).filter((name) => name !== '__proto__');
const plain = {};
for (const name of members) plain[name] = 1;
const error = new TypeError('a');
error.name = 'B';
error.message = 'c';
class Named extends Error { constructor() { super('d'); this.name = 'Named'; } }
const parsed = JSON.parse('{"toString":1,"isPrototypeOf":2}');
console.log(JSON.stringify([Object.keys(plain).length === members.length, String(error), String(new Named()), parsed.isPrototypeOf]));
`;
  assert.deepEqual(run(freezing, ASSIGN), [true, 'B: c', 'Named: d', 2]);
});

test('a method is a plain value, which the engine can inline, and not an accessor as under the flag', () => {
  const DESCRIBE = `
const kind = (owner, name) => 'value' in Object.getOwnPropertyDescriptor(owner, name) ? 'value' : 'accessor';
console.log(JSON.stringify([kind(String.prototype, 'charCodeAt'), kind(Array.prototype, 'map'), kind(Map.prototype, 'get')]));
`;
  assert.deepEqual(run(freezing, DESCRIBE), ['value', 'value', 'value']);
  assert.deepEqual(run(['--frozen-intrinsics'], DESCRIBE), ['accessor', 'accessor', 'accessor']);
});
