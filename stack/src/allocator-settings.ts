/**
 * For the C library's allocator (mallopt(3)), decision 0044. A second thread of V8 otherwise brings an arena of its own, and the
 * first large block that is given back raises the size from which blocks are mapped by themselves: what comes after lies between
 * small ones in a heap that cannot shrink. Other C libraries do not know the name.
 */
export const allocatorSettings = {
  GLIBC_TUNABLES:
    'glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=65536:glibc.malloc.trim_threshold=65536',
} as const;
