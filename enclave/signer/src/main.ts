import '@keystead/enclave-runtime/frozen-intrinsics';
import { runEnclave } from '@keystead/enclave-runtime/run-enclave';
import { FromSigner, ToSigner } from '@keystead/protocol/frames';
import { createSigner } from './program.ts';
import { loadSigningBackend } from './signing-backend.ts';

runEnclave({
  role: 'signer',
  // A payload belongs to whoever got it, and the signer keeps no byte string of one.
  incoming: { ...ToSigner, decode: ToSigner.decodeViews },
  outgoing: FromSigner,
  prepare: loadSigningBackend,
  create: (context, { prepared }) => createSigner(context, prepared),
});
