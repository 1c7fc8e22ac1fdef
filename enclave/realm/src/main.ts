import '@keystead/enclave-runtime/frozen-intrinsics';
import { runMeasured } from '@keystead/enclave-runtime/run-enclave';
import { FromRealm, ToRealm } from '@keystead/protocol/realm-frames';
import { createRealmBoot, loadGroup } from './boot.ts';

runMeasured({
  name: 'realm',
  incoming: ToRealm,
  outgoing: FromRealm,
  prepare: loadGroup,
  boot: createRealmBoot,
});
