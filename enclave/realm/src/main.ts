import '@keystead/enclave-runtime/frozen-intrinsics';
import { createBesideBoot } from '@keystead/enclave-runtime/beside-boot';
import { runMeasured } from '@keystead/enclave-runtime/run-enclave';
import { FromRealm, ToRealm } from '@keystead/protocol/realm-frames';
import { loadGroup, realmKind } from './boot.ts';

runMeasured({
  name: 'realm',
  incoming: ToRealm,
  outgoing: FromRealm,
  prepare: loadGroup,
  boot: (ports) => createBesideBoot(realmKind, ports),
});
