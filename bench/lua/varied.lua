-- Five thousand different paths, so that no memory of whole requests flatters anybody.
local n = 0
request = function()
  n = (n + 1) % 5000
  return wrk.format("GET", "/many/dossier-" .. n .. "?page=" .. n)
end
