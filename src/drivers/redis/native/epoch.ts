/**
 * The sentinel: one key per prefix whose value is the name of this life of the data. A server that has lost its records has lost the
 * sentinel as well, and gets another one from whoever leases first, so that every holder learns that its leases are void.
 */

/**
 * In Lua, after `time` and `now` are known: `epochof(key)` gives the name, made from the server's time where there is none. Its key ends
 * after two days without a lease and is written again twice a day: at most that often does a call write it.
 */
export const EPOCH: string = `local function epochof(key)
  local kept, id, at = redis.pcall('GET', key), nil, '0'
  if type(kept) == 'string' then id, at = string.match(kept, '^(%d+) (%d+)$') end
  id, at = id or string.format('%.0f', now * 1000), tonumber(at or 0)
  if now - at > 43200000 or at - now > 43200000 then redis.pcall('SET', key, id .. ' ' .. string.format('%.0f', now), 'PX', 172800000) end
  return id
end`;
