// Judges a document of assertions and exits 1 at the first one judged wrongly.
//
//   node selfTest.mjs ../vectors.json
//   NODE_EXTRA_CA_CERTS=ca.pem node selfTest.mjs https://vt.example.fr/_gateway/assertion-tests

import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { KeySet, Refused, read } from './vtAssertion.mjs'

const source = process.argv[2]
const document = source.startsWith('https://') ? await (await fetch(source)).json() : JSON.parse(await readFile(source, 'utf8'))
const keys = new KeySet('', document.jwks)
const judge = (token) => read(token, keys, { issuer: document.issuer, audience: document.audience, now: document.now })

function wrong (message) {
  console.log(message)
  process.exit(1)
}

for (const one of document.good) {
  const who = await judge(one.token).catch((error) => wrong(`wrongly refused: ${one.name}: ${error.message}`))
  const given = who.delegation
  const found = {
    person: who.person,
    family_name: who.claims.family_name ?? null,
    given_name: who.claims.given_name ?? null,
    assurance: who.claims.acr ?? null,
    delegation: given && {
      identifier: given.identifier,
      on_behalf_of: given.onBehalfOf,
      kind: given.kind,
      rights: [...given.rights].sort((a, b) => (a.join(' ') < b.join(' ') ? -1 : 1)),
      until: new Date(given.until * 1000).toISOString().replace('.000Z', 'Z')
    }
  }
  if (!isDeepStrictEqual(found, one.expect)) wrong(`misread: ${one.name}: ${JSON.stringify(found)}`)
}
for (const one of document.bad) {
  const believed = await judge(one.token).then(() => true, (error) => (error instanceof Refused ? false : wrong(`${one.name}: ${error}`)))
  if (believed) wrong(`wrongly believed: ${one.name}: ${one.why}`)
}
console.log(`${document.good.length} believed, ${document.bad.length} refused`)
