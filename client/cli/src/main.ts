#!/usr/bin/env node
import { runCommandLine } from './command-line.ts';
import { readSurroundings } from './surroundings.ts';

process.exitCode = await runCommandLine(process.argv.slice(2), readSurroundings(), (text) =>
  process.stdout.write(text),
);
