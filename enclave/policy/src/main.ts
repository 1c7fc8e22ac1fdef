import '@keystead/enclave-runtime/frozen-intrinsics';
import { runEnclave } from '@keystead/enclave-runtime/run-enclave';
import { FromPolicy, ToPolicy } from '@keystead/protocol/frames';
import { createPolicyEngine } from './program.ts';

runEnclave({
  role: 'policy',
  // A payload belongs to whoever got it: what the engine keeps of one longer than a request lives, it copies.
  incoming: { ...ToPolicy, decode: ToPolicy.decodeShared },
  outgoing: FromPolicy,
  create: (context) => createPolicyEngine(context),
});
