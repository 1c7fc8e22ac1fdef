/**
 * Preloaded into the processes of the host zone (`node --import`): when the stack is gone, however it went, standard
 * input closes, and the process ends as after SIGTERM.
 */
const patience = 5000;

const end = () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.exit(1), patience).unref();
};

process.stdin.once('end', end);
process.stdin.on('error', () => {});
process.stdin.resume();
(process.stdin as NodeJS.ReadStream & { unref?: () => void }).unref?.();
