/**
 * The budget of an account inside Redis, one call of this script at a time. KEYS[1]: name that all keys begin with;
 * ARGV[1]: what to do, ARGV[2]: its arguments as JSON. Answers JSON. All times are milliseconds of the server's clock.
 *
 * - `slots`: calls by when they are over (those under way: by the end of their lease); `owners`: who made them
 * - `line`: calls that wait by rank; `until`: by when they have to ask again; `askers`: who they are
 * - `state`: `known`, `last` (newest time seen), `blocked` and `pause` (nothing starts before)
 * - `days`: calls by UTC day
 */
export const BUDGET_SCRIPT = `
local K, op, a = KEYS[1], ARGV[1], cjson.decode(ARGV[2])
local slots, owners, line, untils, askers = K..':slots', K..':owners', K..':line', K..':until', K..':askers'
local state, days = K..':state', K..':days'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function get(name) return tonumber(redis.call('HGET', state, name) or 0) end
local function put(name, value) redis.call('HSET', state, name, string.format('%.0f', value)) end
local function add(set, score, member) redis.call('ZADD', set, string.format('%.0f', score), member) end
local function leave(id)
  redis.call('ZREM', line, id); redis.call('ZREM', untils, id); redis.call('HDEL', askers, id)
end

-- A server that knows nothing was new, flushed or restarted: what was spent before is not known.
if get('known') == 0 then
  put('known', 1)
  put('blocked', now + a.windowMs)
end
-- Its clock was set back: everything is taken to be over just now.
local last = get('last')
if now < last - 1000 then
  for _, id in ipairs(redis.call('ZRANGE', slots, 0, -1)) do add(slots, now, id) end
  for _, name in ipairs({'blocked', 'pause'}) do put(name, now + math.max(0, get(name) - last)) end
  redis.call('DEL', line, untils, askers)
end
put('last', now)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', slots, '-inf', now - math.max(60000, a.windowMs))) do
  redis.call('ZREM', slots, id); redis.call('HDEL', owners, id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', untils, '-inf', now - 1)) do leave(id) end

local today = string.format('%.0f', math.floor(now / 86400000))
local usedToday = tonumber(redis.call('HGET', days, today) or 0)
local pauseMs, blockedMs = math.max(0, get('pause') - now), math.max(0, get('blocked') - now)

if op == 'settle' then
  local over = redis.call('ZSCORE', slots, a.slot)
  if not over then redis.call('HSET', owners, a.slot, cjson.encode({ client = a.client, priority = 'history' })) end
  if not over or tonumber(over) > now + 1 then add(slots, now + 1, a.slot) end
elseif op == 'end' then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', slots, now + 2, '+inf')) do
    local owner = redis.call('HGET', owners, id)
    if owner and cjson.decode(owner).client == a.client then add(slots, now + 1, id) end
  end
elseif op == 'note' then
  add(slots, now, a.id)
  redis.call('HSET', owners, a.id, cjson.encode({ client = a.client, priority = a.priority }))
  redis.call('HINCRBY', days, today, 1)
elseif op == 'leave' then leave(a.id)
elseif op == 'pause' then
  if now + a.ms > get('pause') then put('pause', now + a.ms) end
elseif op == 'reserve' then
  if a.callsPerDay > 0 and usedToday >= a.callsPerDay then
    leave(a.id)
    return cjson.encode({ kind = 'spent', renewsInMs = 86400000 - now % 86400000 })
  end
  local used = redis.call('ZCOUNT', slots, '(' .. string.format('%.0f', now - a.windowMs), '+inf')
  if not redis.call('ZSCORE', line, a.id) then add(line, now + a.handicapMs, a.id) end
  local ahead = redis.call('ZRANK', line, a.id)
  local free = a.callsPerMinute > 0 and a.callsPerMinute - used or math.huge
  if blockedMs == 0 and pauseMs == 0 and ahead < free then
    leave(a.id)
    add(slots, now + a.leaseMs, a.id)
    redis.call('HSET', owners, a.id, cjson.encode({ client = a.client, priority = a.priority }))
    redis.call('HINCRBY', days, today, 1)
    return cjson.encode({ kind = 'granted' })
  end
  local budgetMs = blockedMs
  if ahead >= free then
    local at = ahead - free
    local next = redis.call('ZRANGEBYSCORE', slots, '(' .. string.format('%.0f', now - a.windowMs), '+inf',
      'WITHSCORES', 'LIMIT', at % a.callsPerMinute, 1)
    local over = math.min(now, tonumber(next[2] or now))
    local freeMs = over + a.windowMs - now + math.floor(at / a.callsPerMinute) * a.windowMs
    budgetMs = math.max(budgetMs, freeMs)
  end
  local askMs = math.min(500, math.max(budgetMs, pauseMs, ahead > 0 and 20 or 1))
  add(untils, now + askMs + a.graceMs, a.id)
  redis.call('HSET', askers, a.id, cjson.encode({ client = a.client, priority = a.priority }))
  return cjson.encode({ kind = 'wait', askAgainMs = askMs, waitMs = math.max(budgetMs, pauseMs),
    reason = pauseMs >= budgetMs and 'pause' or 'budget' })
elseif op == 'read' then
  local used, overs = {}, {}
  local found = redis.call('ZRANGEBYSCORE', slots, '(' .. string.format('%.0f', now - a.windowMs), '+inf', 'WITHSCORES')
  for i = 1, #found, 2 do
    local over = tonumber(found[i + 1])
    table.insert(overs, math.max(blockedMs, math.min(over, now) + a.windowMs - now))
    table.insert(used, { owner = redis.call('HGET', owners, found[i]) or '', flying = over > now + 1 })
  end
  return cjson.encode({ used = used, freeInMs = overs, waiting = redis.call('HVALS', askers), pauseMs = pauseMs,
    blockedMs = blockedMs, usedToday = usedToday })
end
return cjson.encode({ pauseMs = pauseMs })
`
