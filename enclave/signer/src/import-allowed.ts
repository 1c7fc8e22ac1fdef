import { KmsError } from '@keystead/protocol/errors';
import type { Surface } from '@keystead/protocol/surface';
import type { SignerTools } from './method.ts';

/** Clients of the compatibility surface cannot check the import key: the operator decides. */
export function assertImportAllowed(surface: Surface, tools: SignerTools): void {
  if (surface === 'compatibility' && !tools.compatibilityImport) throw new KmsError('import-disabled', {});
}
