-- GETs of 64 KiB somewhere in a value of 1 GiB: wrk -s range.lua URL.
local threads = 0

function setup(thread)
    thread:set("id", threads)
    threads = threads + 1
end

function init(args)
    math.randomseed(os.time() * 1000 + id)
end

function request()
    local from = math.random(0, 1024 * 1024 * 1024 - 65536)
    return wrk.format("GET", nil, { Range = "bytes=" .. from .. "-" .. from + 65535 })
end
