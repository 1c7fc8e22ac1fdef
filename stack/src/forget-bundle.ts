import { rmSync } from 'node:fs';
import { dirname } from 'node:path';

/** The file that this runs from was made for this start alone (start.ts). */
rmSync(dirname(process.argv[1]!), { recursive: true });
