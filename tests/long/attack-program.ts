/**
 * What a program tries that was taken over inside an enclave: a module for Node's standard input that writes one
 * JSON line, the name of each attempt and whether it succeeded. Its arguments are a port of 127.0.0.1 on which somebody
 * listens, and the user id that it takes, as an enclave does. System calls that Node has no function for go through node:ffi.
 */
export const attackProgram = `
const [, , port, user] = process.argv;
if (user !== undefined) { process.setgroups([]); process.setgid(Number(user)); process.setuid(Number(user)); }
const [fs, net, dgram, child, ffi, worker, inspector] = await Promise.all(
  ['fs', 'net', 'dgram', 'child_process', 'ffi', 'worker_threads', 'inspector'].map(async (name) => {
    try { return await import('node:' + name); } catch { return {}; }
  }),
);
const outcome = {};
const attempt = async (name, action) => {
  try { outcome[name] = (await action()) === false ? 'refused' : 'done'; }
  catch (error) { outcome[name] = 'refused ' + (error.code ?? error.message); }
};
const calls = (() => {
  const { dlopen } = ffi;
  const of = (...given) => ({ arguments: given, return: 'i32' });
  return () => dlopen('libc.so.6', {
    socket: of('i32', 'i32', 'i32'), ptrace: of('i64', 'i32', 'u64', 'u64'), fork: of(), setuid: of('u32'),
    unshare: of('i32'), kill: of('i32', 'i32'), prctl: of('i32', 'u64', 'u64', 'u64', 'u64'), getuid: of(),
  }).functions;
})();
const connected = (options) => new Promise((resolve, reject) => {
  const socket = net.connect(options);
  socket.once('connect', () => { socket.destroy(); resolve(true); });
  socket.once('error', reject);
});
await attempt('tcp', () => connected({ host: '127.0.0.1', port: Number(port) }));
await attempt('listen', () => new Promise((resolve, reject) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => server.close(resolve));
  server.once('error', reject);
}));
await attempt('udp', () => new Promise((resolve, reject) => {
  const socket = dgram.createSocket('udp4');
  socket.once('error', reject);
  socket.bind(0, '127.0.0.1', () => socket.close(resolve));
}));
await attempt('raw socket call', () => calls().socket(2, 1, 0) >= 0);
await attempt('read a file', () => fs.readFileSync('/etc/passwd'));
await attempt('list a folder', () => fs.readdirSync('/tmp'));
await attempt('write a file', () => { fs.writeFileSync('/tmp/attack', 'x'); fs.unlinkSync('/tmp/attack'); });
await attempt('write a file into the root', () => { fs.writeFileSync('/attack', 'x'); fs.unlinkSync('/attack'); });
await attempt('write by sqlite', async () => {
  const { DatabaseSync } = await import('node:sqlite');
  const path = '/tmp/attack-' + process.pid + '.sqlite';
  const database = new DatabaseSync(path);
  database.exec('CREATE TABLE a (b)');
  database.close();
  fs.unlinkSync(path);
});
await attempt('spawn', () => {
  const { error, status } = child.spawnSync(process.execPath, ['--version'], { stdio: 'ignore' });
  if (error) throw error;
  return status === 0;
});
await attempt('unshare', () => calls().unshare(0x04000000) === 0);
await attempt('ptrace', () => calls().ptrace(0n, 0, 0n, 0n) === 0);
await attempt('read the memory of its parent', () => fs.closeSync(fs.openSync('/proc/' + process.ppid + '/mem', 'r')));
await attempt('become dumpable', () => calls().prctl(4, 1n, 0n, 0n, 0n) === 0);
await attempt('become root', () => calls().setuid(0) === 0 && calls().getuid() === 0);
await attempt('see other processes', () => fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).length > 2);
await attempt('signal its parent', () => process.kill(process.ppid, 0));
await attempt('open a debugger', () => {
  inspector.open(0, '127.0.0.1');
  return inspector.url() !== undefined;
});
process.stdout.write(JSON.stringify(outcome) + '\\n', () => process.exit(0));
`;
