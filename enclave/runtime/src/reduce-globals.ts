/** Members of `process` that Node's own streams, timers and errors use, or that the runtime does. */
const keptOfProcess = new Set([
  '_exiting',
  '_rawDebug',
  '_tickCallback',
  'constructor',
  'cpuUsage',
  'cwd',
  'emitWarning',
  'exit',
  'hrtime',
  'memoryUsage',
  'nextTick',
  'reallyExit',
  'uptime',
]);

/** Ways out of the process, or into another one, that Node puts on the global object. */
const removedGlobals = [
  'BroadcastChannel',
  'EventSource',
  'MessageChannel',
  'MessagePort',
  'Request',
  'Response',
  'Storage',
  'WebSocket',
  'Worker',
  'fetch',
  'localStorage',
  'navigator',
  'sessionStorage',
];

/**
 * Takes away what no program needs: network globals and the functions of `process` that load modules, end other
 * processes or change this one. It is a second layer against mistakes in a dependency; the process is the wall.
 */
export function reduceGlobals(): void {
  for (const name of removedGlobals) remove(globalThis, name);
  for (const name of Object.getOwnPropertyNames(process)) {
    const descriptor = Object.getOwnPropertyDescriptor(process, name);
    if (typeof descriptor?.value === 'function' && !keptOfProcess.has(name)) remove(process, name);
  }
}

function remove(owner: object, name: string): void {
  // A name that cannot be deleted stays; the permission flags refuse what it leads to.
  Reflect.deleteProperty(owner, name);
}
