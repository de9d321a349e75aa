-- PUTs of 4 KiB that do not compress, each to a key of its own and without a type, as curl -T makes
-- them: wrk -s put.lua URL -- PREFIX
-- PREFIX is the path of the folder; each thread fills one below it.
local threads = 0

function setup(thread)
    thread:set("id", threads)
    threads = threads + 1
end

function init(args)
    local random = io.open("/dev/urandom", "rb")
    body = random:read(4096)
    random:close()
    folder = args[1] .. "/t" .. id .. "/"
    count = 0
end

function request()
    count = count + 1
    -- folders of 1,000, as a file system and a person would like them
    return wrk.format("PUT", folder .. math.floor(count / 1000) .. "/" .. count, nil, body)
end
