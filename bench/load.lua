-- One kind of request for wrk: METHOD PATHS_FILE [BODY_FILE] after `--`. Takes the paths in turn; prints one JSON line.
local requests, turn = {}, 0

local function read(name)
  local file = assert(io.open(name, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

function init(args)
  local body = args[3] and read(args[3]) or nil
  local headers = body and { ["Content-Type"] = "application/json" } or {}
  for path in read(args[2]):gmatch("[^\n]+") do
    requests[#requests + 1] = wrk.format(args[1], path, headers, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.timeout + summary.errors.status
  io.write(string.format('\nRESULT {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "errors": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
