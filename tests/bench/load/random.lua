-- GETs of keys chosen at random: wrk -s random.lua URL -- PREFIX; keys are 000/000 to 999/999.
local threads = 0

function setup(thread)
    thread:set("id", threads)
    threads = threads + 1
end

function init(args)
    prefix = args[1]
    math.randomseed(os.time() * 1000 + id)
end

function request()
    local path = string.format("%s%03d/%03d", prefix, math.random(0, 999), math.random(0, 999))
    return wrk.format("GET", path)
end
