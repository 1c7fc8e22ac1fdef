import { storeConformance } from '../conformance.ts';
import { openMemoryStore } from './store-memory.ts';

storeConformance('memory', {
  fresh: async () => '',
  open: async () => openMemoryStore(),
  remove: async () => {},
});
