import '@keystead/enclave-runtime/frozen-intrinsics';
import { runEnclave } from '@keystead/enclave-runtime/run-enclave';
import { FromCertifier, ToCertifier } from '@keystead/protocol/frames';
import { createCertifier } from './program.ts';

runEnclave({
  role: 'certifier',
  incoming: ToCertifier,
  outgoing: FromCertifier,
  create: (context, ports) => createCertifier(context, ports.heads()),
});
