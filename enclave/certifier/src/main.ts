import '@keystead/enclave-runtime/frozen-intrinsics';
import { runEnclave } from '@keystead/enclave-runtime/run-enclave';
import { FromCertifier, ToCertifier } from '@keystead/protocol/frames';
import { createCertifier } from './program.ts';

runEnclave({
  role: 'certifier',
  // Orders and rows are judged, recorded and let go: no copy of them is needed.
  incoming: { ...ToCertifier, decode: ToCertifier.decodeShared },
  outgoing: FromCertifier,
  create: (context, ports) => createCertifier(context, ports.heads()),
});
