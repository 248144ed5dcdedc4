-- Asks the gateway whether a request may go on (mod_lua, LuaHookAccessChecker). Only 200 goes on.
local http = require("socket.http")
local ltn12 = require("ltn12")
http.TIMEOUT = 5
local GATEWAY = "http://127.0.0.1:8080"

-- The form in which two spellings of one name are equal: some backends do exactly that.
local function normal(name) return (name:lower():gsub("[^a-z0-9]", "-")) end

function vt_auth(r)
  if r.uri:sub(1, 10) == "/_gateway/" then return apache2.DECLINED end
  local ask = {
    ["host"] = r.headers_in["Host"],
    ["x-forwarded-for"] = r.useragent_ip,
    ["x-forwarded-proto"] = "http",
    ["x-forwarded-host"] = r.headers_in["Host"],
    ["x-forwarded-method"] = r.method,
    ["x-forwarded-uri"] = r.unparsed_uri,
  }
  for _, name in ipairs({ "Cookie", "Accept", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "X-Requested-With" }) do
    ask[name:lower()] = r.headers_in[name]
  end
  local names = {}
  for name, _ in pairs(r:headers_in_table()) do
    if normal(name):sub(1, 5) == "x-vt-" then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do r.headers_in[name] = nil end

  local ok, status, headers = pcall(function()
    local _, code, said = http.request({ url = GATEWAY .. "/_gateway/auth", headers = ask, redirect = false, sink = ltn12.sink.null() })
    return code, said
  end)
  if not ok or type(status) ~= "number" then return 503 end
  if status == 200 then
    for name, value in pairs(headers) do
      if name:sub(1, 5) == "x-vt-" then r.headers_in[name] = value end
    end
    return apache2.DECLINED
  end
  if status == 403 then return 403 end
  if status ~= 401 then return 503 end
  local mode, accept = r.headers_in["Sec-Fetch-Mode"], r.headers_in["Accept"] or ""
  if mode == "navigate" or (not mode and accept:find("text/html", 1, true)) then
    r.err_headers_out["Location"] = headers["location"]
    return 302
  end
  return 401
end
