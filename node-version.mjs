// Preloaded before every entry file (`node --import ./node-version.mjs`). It is plain JavaScript, so that an old
// Node says what to do instead of failing on the first TypeScript file.
const NEEDED = 24;
const running = process.versions.node;
if (Number(running.split('.')[0]) < NEEDED) {
  process.stderr.write(
    `error: Keystead needs Node ${NEEDED} or later; this is Node ${running} (${process.execPath})\n` +
      'hint: run `npm ci` and start through npm (`npm start`, `npm test`, `npx keystead`): on Linux x64 and arm64 ' +
      'the lockfile brings its own Node. Elsewhere install Node 26.\n',
  );
  process.exit(1);
}
