/**
 * `ended(key, stored)` in Lua: whether what is not this algorithm's is the record of another one that has ended. All records
 * are kept for a second past their end, and are absent by then. Values have no such second, so what looks like none of ours
 * is left alone. `stored` is the text, or the error that a key of another type gives.
 */
export const ENDED: string = `local function ended(key, stored)
  if type(stored) == 'string' and not (string.find(stored, '^[a-z][a-z0-9-]*/%d+ ') or string.find(stored, '^Ag') or string.find(stored, '^[A-Z]%c')) then return false end
  local left = redis.call('PTTL', key)
  return left >= 0 and left <= 1000
end`;
