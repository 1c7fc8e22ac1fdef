import '@keystead/enclave-runtime/frozen-intrinsics';
import { runEnclave } from '@keystead/enclave-runtime/run-enclave';
import { FromPolicy, ToPolicy } from '@keystead/protocol/frames';
import { createPolicyEngine } from './program.ts';

runEnclave({
  role: 'policy',
  incoming: ToPolicy,
  outgoing: FromPolicy,
  create: (context) => createPolicyEngine(context),
});
