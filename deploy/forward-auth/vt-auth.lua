-- Asks the gateway whether a request may go on. Sets txn.vt_status and txn.vt_sign_in, and on 200 the identity headers.
core.register_action("vt_auth", { "http-req" }, function(txn)
  txn:set_var("txn.vt_status", 503)
  local said = txn.http:req_get_headers()
  local ask = {
    ["host"] = { txn.sf:req_hdr("host") },
    ["x-forwarded-for"] = { txn.sf:src() },
    ["x-forwarded-proto"] = { "http" },
    ["x-forwarded-host"] = { txn.sf:req_hdr("host") },
    ["x-forwarded-method"] = { txn.sf:method() },
    ["x-forwarded-uri"] = { txn.sf:pathq() },
  }
  for _, name in ipairs({ "cookie", "accept", "sec-fetch-mode", "sec-fetch-dest", "x-requested-with" }) do
    if said[name] then
      local values = {}
      for place, value in pairs(said[name]) do values[place + 1] = value end
      ask[name] = values
    end
  end
  local answer = core.httpclient():get({ url = os.getenv("VT_GATEWAY") .. "/_gateway/auth", headers = ask, timeout = 5000 })
  if not answer or not answer.status then return end
  txn:set_var("txn.vt_status", answer.status)
  for name, values in pairs(answer.headers or {}) do
    if name == "location" then txn:set_var("txn.vt_sign_in", values[0]) end
    if answer.status == 200 and name:sub(1, 5) == "x-vt-" then
      txn.http:req_set_header(name, values[0])
    end
  end
end, 0)
