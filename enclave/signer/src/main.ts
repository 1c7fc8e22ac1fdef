import { runEnclave } from '@keystead/enclave-runtime/run-enclave';
import { FromSigner, ToSigner } from '@keystead/protocol/frames';
import { createSigner } from './program.ts';
import { loadSigningBackend } from './signing-backend.ts';

runEnclave({
  role: 'signer',
  incoming: ToSigner,
  outgoing: FromSigner,
  prepare: loadSigningBackend,
  create: (context, { prepared }) => createSigner(context, prepared),
});
