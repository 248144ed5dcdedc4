// Who asks, and for whom: reads the header X-VT-Assertion of the ViaTrajectoire gateway, and believes nothing else.
//
//   const keys = new KeySet('https://vt.example.fr/_gateway/jwks.json')
//   const who = await read(token, keys, { issuer: 'https://vt.example.fr', audience: 'vt' })
//
// Node 20, nothing else. Copy it; it stands alone. The rules are those of docs/backend.md.

import { createPublicKey, verify } from 'node:crypto'

const LONGEST = 60, LEEWAY = 5 // seconds: the life of an assertion, and the difference of two clocks
const FRESH = 300_000, KEPT = 3_600_000, PAUSE = 60_000 // ms: keys are asked for again, dropped, not asked for more often
const SHARED = ['type', 'identifier', 'on_behalf_of', 'kind', 'valid_from', 'valid_until']
const MEMBERS = new Set([...SHARED, 'actions', 'datatypes']) // another may be a limit that you do not understand
const INSTANT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(Z|[+-]\d\d:\d\d)$/

/** Answer 401, and say why in your log. */
export class Refused extends Error {}

const no = (why) => { throw new Refused(why) }
const word = (value) => typeof value === 'string' && value !== ''
const object = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The gateway's keys: asked for again every five minutes, and at once (once a minute at most) for an unknown name. When
 *  nobody answers, those known serve for an hour. */
export class KeySet {
  constructor (url, document = { keys: [] }) {
    Object.assign(this, { url, document, knownAt: -Infinity, askedAt: -Infinity, asking: null })
  }

  async key (kid) {
    if (!word(kid)) no('no key is named')
    const now = performance.now()
    const known = this.find(kid) !== undefined
    if (this.url && (!known || now - this.knownAt > FRESH) && now - this.askedAt > PAUSE) {
      this.askedAt = now
      this.asking = this.ask(now)
      await this.asking
    } else if (!known) await this.asking // another request asks: who has no key waits for its answer
    const found = this.find(kid) ?? no("the key is not one of the gateway's, or they cannot be had")
    return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: found.x, y: found.y }, format: 'jwk' })
  }

  async ask (now) {
    try {
      const answer = await fetch(this.url, { signal: AbortSignal.timeout(5000) })
      if (!answer.ok) throw new Error(`status ${answer.status}`)
      const document = await answer.json()
      if (!Array.isArray(document?.keys)) throw new Error('no key set')
      Object.assign(this, { document, knownAt: now })
    } catch {
      if (now - this.knownAt > KEPT) this.document = { keys: [] }
    }
  }

  find (kid) { return this.document.keys?.find((one) => one.kid === kid && one.kty === 'EC' && one.crv === 'P-256') }
}

/** Who asks; throws Refused. `jti` need not be remembered: an assertion is sent with many requests of its minute. */
export async function read (token, keys, { issuer, audience, now = Date.now() / 1000 }) {
  const parts = token.split('.')
  if (parts.length !== 3) no('an assertion has three parts')
  const header = parsed(decoded(parts[0]))
  if (header.alg !== 'ES256' || header.typ !== 'JWT' || Object.keys(header).some((one) => !['alg', 'kid', 'typ'].includes(one))) {
    no('the header is not alg ES256, typ JWT and a kid')
  }
  const key = { key: await keys.key(header.kid), dsaEncoding: 'ieee-p1363' } // r and s, 64 bytes
  const signature = decoded(parts[2])
  if (signature.length !== 64 || !verify('sha256', Buffer.from(`${parts[0]}.${parts[1]}`), key, signature)) {
    no('the signature does not fit')
  }
  const claims = parsed(decoded(parts[1]))
  const { iat, exp, nbf = iat } = claims
  if (![iat, exp, nbf].every(Number.isSafeInteger) || exp <= iat || exp - iat > LONGEST) no('its life is not that of an assertion')
  if (now < Math.max(iat, nbf) - LEEWAY || now >= exp + LEEWAY) no('it is over, or comes from the future')
  if (!word(claims.iss) || claims.iss !== issuer || !word(claims.aud) || claims.aud !== audience) no("it is not the gateway's word to this application")
  if (!word(claims.sub) || !word(claims.jti)) no('sub or jti is missing')
  const delegation = delegated(claims, now)
  const person = human(claims, delegation)
  if (delegation?.onBehalfOf === person) no('nobody acts on their own behalf')
  return { person, delegation, claims }
}

/** Always the human who signed in: `sub`, or with the profile of RFC 8693 `act.sub`, while `sub` is the doctor. */
function human (claims, delegation) {
  let person = claims.sub
  if ('act' in claims) {
    if (!object(claims.act) || Object.keys(claims.act).join() !== 'sub' || !delegation) no('act comes with a delegation and says who acts')
    if (claims.sub !== delegation.onBehalfOf) no('two doctors are named')
    person = claims.act.sub
  }
  if (!word(person) || ('idnat_ps' in claims && claims.idnat_ps !== person)) no('nobody is named, or two people are')
  return person
}

function delegated (claims, now) {
  if (!('authorization_details' in claims)) return null
  const details = claims.authorization_details
  if (!Array.isArray(details) || details.length === 0 || !details.every(object)) no('authorization_details is a list of objects')
  const [first] = details
  const rights = new Map()
  for (const one of details) {
    const known = Object.keys(one).every((name) => MEMBERS.has(name))
    if (one.type !== 'fr.viatrajectoire.delegation' || !known || SHARED.some((name) => !word(one[name]) || one[name] !== first[name])) {
      no('not one delegation of a known type')
    }
    for (const name of ['actions', 'datatypes']) {
      if (!Array.isArray(one[name]) || one[name].length === 0 || !one[name].every(word)) no(`${name} is a list of words`)
    }
    for (const module of one.datatypes) for (const action of one.actions) rights.set(`${module} ${action}`, [module, action])
  }
  if (!['assistant', 'colleague'].includes(first.kind)) no('a kind of delegation that is not known')
  const [begins, until] = [first.valid_from, first.valid_until].map(instant)
  if (now < begins - LEEWAY || now >= until + 1 + LEEWAY) no('the delegation is over, or has not begun') // its last second counts
  return { identifier: first.identifier, onBehalfOf: first.on_behalf_of, kind: first.kind, rights: [...rights.values()], until }
}

function instant (text) {
  const local = INSTANT.exec(text)?.[1]
  const [day, found] = [Date.parse(`${local}Z`), Date.parse(text)]
  if (Number.isNaN(day) || Number.isNaN(found)) no('a date that cannot be read, or has no zone')
  if (new Date(day).toISOString().slice(0, 19) !== local) no('a date that does not exist') // Date makes March of 30 February
  return found / 1000
}

/** base64url without padding, in its one spelling. */
function decoded (part) {
  const found = Buffer.from(part, 'base64url')
  return found.toString('base64url') === part ? found : no('a part is not base64url in its one spelling')
}

/** A JSON object in UTF-8; a member named twice is refused: two readers would see two things, and JSON.parse shows the last. */
function parsed (bytes) {
  let text, found
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    found = JSON.parse(text)
  } catch { no('a part is not JSON') }
  if (!object(found)) no('a part is not an object')
  const levels = [] // names seen in each object that is open; a list has none
  for (const [token, , colon] of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') levels.push(new Set())
    else if (token === '}' || token === ']') levels.pop()
    else if (colon) {
      const name = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1))
      if (levels.at(-1).has(name)) no('a member is named twice')
      levels.at(-1).add(name)
    }
    if (levels.length > 20) no('a part is too deep')
  }
  return found
}
