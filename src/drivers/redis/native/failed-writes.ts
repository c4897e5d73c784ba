/**
 * Writes that the server refuses (out of memory, read-only), in Lua: a script goes on with its other keys, and `reply` gets, after
 * its regular parts, the place and the error of each that failed. `note(k, done)` looks at what `pcall` gave for the write of key `k`.
 */
export const FAILED_WRITES: string = `local failed = {}
local function note(k, done)
  if type(done) == 'table' and done.err then failed[#failed + 1], failed[#failed + 2] = k, done.err end
end`;

export const TELL_FAILED: string = "for i = 1, #failed do reply[#reply + 1] = failed[i] end";
