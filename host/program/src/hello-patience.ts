/**
 * How long a connection to an enclave's socket may take to say who it is, in milliseconds. The launcher connects before it starts the
 * process, and greets when that has answered for the first time, for which it gives it 20 s: whoever is more impatient here
 * lets no enclave in on a machine that is slow enough.
 */
export const helloPatience = 30_000;
