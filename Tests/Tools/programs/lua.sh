# Debian's Lua, built, then its own test suite's portable part where the source has it, and programs that lean on the system.
set -e
tar xf /usr/src/programs/lua5.4_*.orig.tar.*
cd lua-5.4*
make linux -j2 >make.log 2>&1
make test | sed 's/ *Copyright.*//'
cat >system.lua <<'LUA'
local name = os.tmpname()
local file = assert(io.open(name, "w+"))
for i = 1, 20000 do file:write(i, "\n") end
file:seek("set", 0)
local sum = 0
for line in file:lines() do sum = sum + tonumber(line) end
print("sum", sum, file:seek("end"))
file:close()
print(os.rename(name, name .. ".new"), os.remove(name .. ".new"), io.open(name))
local pipe = io.popen("sort -rn | head -3", "w")
for i = 1, 100 do pipe:write(i, "\n") end
print(pipe:close())
print(io.popen("exit 7"):close())
print(os.execute("kill -TERM $$"))
print(os.getenv("HOME") ~= nil, os.date("!%Y-%m-%d", 86400), os.setlocale("C"))
local threads = {}
for i = 1, 1000 do threads[i] = coroutine.wrap(function() for j = 1, 10 do coroutine.yield(i * j) end end) end
local total = 0
for j = 1, 10 do for i = 1, 1000 do total = total + threads[i]() end end
print("coroutines", total)
local t = {}
for i = 1, 200000 do t[i] = {i} end
t = nil
collectgarbage()
print("collected", collectgarbage("count") < 4000)
LUA
src/lua system.lua 2>&1 | sed -E 's,/tmp/lua_[A-Za-z0-9]+,NAME,'
src/luac -l -l system.lua | grep -c CALL
