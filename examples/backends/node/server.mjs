// A server that trusts the assertion and nothing else: 200 with who asks, or 401 with the reason.
//
//   VT_JWKS=https://vt.example.fr/_gateway/jwks.json VT_ISSUER=https://vt.example.fr VT_AUDIENCE=vt node server.mjs 8080

import { createServer } from 'node:http'
import { KeySet, Refused, read } from './vtAssertion.mjs'

const { VT_JWKS, VT_ISSUER, VT_AUDIENCE } = process.env
const keys = new KeySet(VT_JWKS)

createServer(async (request, response) => {
  const tokens = request.headersDistinct['x-vt-assertion'] ?? []
  let [status, body] = [401, { reason: 'not exactly one assertion' }]
  try {
    if (tokens.length === 1) {
      const { person, delegation } = await read(tokens[0], keys, { issuer: VT_ISSUER, audience: VT_AUDIENCE })
      ;[status, body] = [200, { person, on_behalf_of: delegation?.onBehalfOf ?? null }]
    }
  } catch (error) {
    if (!(error instanceof Refused)) console.error(error) // a fault of ours opens nothing
    body = { reason: error instanceof Refused ? error.message : 'it could not be judged' }
  }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}).listen(Number(process.argv[2]), '127.0.0.1')
