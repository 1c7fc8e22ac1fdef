import { readEnvironment } from './environment.ts';
import { serveBackup } from './serve-backup.ts';

await serveBackup(() => readEnvironment(process.env));
