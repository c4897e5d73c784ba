/** Largest value of `get` and `set`, in bytes. */
export const MAX_BYTES = 1_048_576;
