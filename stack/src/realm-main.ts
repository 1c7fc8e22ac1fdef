import { readEnvironment } from './environment.ts';
import { serveRealm } from './serve-realm.ts';

await serveRealm(() => readEnvironment(process.env));
