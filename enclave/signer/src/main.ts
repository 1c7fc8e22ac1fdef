import { runEnclave } from '@keystead/enclave-runtime/run-enclave';
import { FromSigner, ToSigner } from '@keystead/protocol/frames';
import { createSigner } from './program.ts';

runEnclave({
  role: 'signer',
  incoming: ToSigner,
  outgoing: FromSigner,
  create: (context) => createSigner(context),
});
