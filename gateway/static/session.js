/* Warns before the idle end of a session (G82) or of a code. Pages work without it; fields stay. */
(doc => {
  const data = doc.body.dataset, code = doc.querySelector('[data-expires]')
  if (code) setTimeout(() => { code.hidden = false }, Date.parse(code.dataset.expires) - Date.now() - 6e4)
  if (!data.idle) return
  const warn = data.warn * 1000
  let idle = +data.idle, ends = +data.ends, skew = data.now ? data.now - Date.now() : 0
  let box, shown, hushed, before, timer

  const left = () => Math.min(idle, ends) - Date.now() - skew
  const plan = ms => { clearTimeout(timer); timer = setTimeout(ask, Math.max(1000, ms)) }

  // Other tabs may have prolonged it: ask before saying anything.
  function ask(extend) {
    const how = { headers: { Accept: 'application/json' } }
    if (extend) { how.method = 'POST'; how.body = new URLSearchParams({ csrf: doc.forms[0].csrf.value }) }
    fetch(data.prefix + (extend ? '/session/extend' : '/session'), how).then(answer => {
      if (answer.status === 401) return show('closed')
      return answer.ok ? answer.json().then(heard) : plan(15000)
    }).catch(() => plan(15000))
  }

  function heard(said) {
    if (said.now) skew = Date.parse(said.now) - Date.now()
    if (said.expires) ends = Date.parse(said.expires)
    idle = Date.parse(said.idle_expires)
    const rest = left()
    if (rest > warn) { hide(); hushed = 0; plan(rest - warn) } else { show('ending'); plan(Math.min(30000, rest + 500)) }
  }

  function show(what) {
    const closed = what === 'closed', over = ends <= idle, rest = Math.ceil(left() / 1e4) * 10, here = doc.activeElement
    const news = shown !== what
    if (hushed && !closed) return
    if (news) {
      if (!shown) before = here
      if (box) box.remove()
      doc.body.insertAdjacentHTML('beforeend', `<div class="ending" role="alertdialog" tabindex="-1" aria-labelledby="end-of" aria-describedby="end-in">
<h2 id="end-of">Votre session ${closed ? "s'est fermée" : 'va se fermer'}</h2><p id="end-in" role="status"></p>` +
        (closed ? `<a class="button" target="_blank" href="${data.prefix}/sign-in">Se reconnecter (nouvel onglet)</a>`
          : over ? '' : '<button type="button">Rester connecté</button>'))
      box = doc.body.lastChild
      box.onclick = event => { if (event.target.type === 'button') ask(true) }
      box.onkeydown = event => { if (event.key === 'Escape') { hushed = 1; hide() } }
    }
    box.children[1].textContent = closed ? 'Ce que vous avez saisi reste sur cette page.'
      : `Dans ${rest > 90 ? Math.round(rest / 60) + ' minutes' : rest + ' secondes'}.${over ? ' Enregistrez votre travail.' : ''}`
    shown = what
    if (news && !/INPUT|TEXTAREA|SELECT/.test(here.tagName)) box.focus() // who types keeps the cursor
  }

  function hide() {
    if (!shown) return
    const inside = box.contains(doc.activeElement)
    box.remove()
    shown = box = 0
    if (inside && before) before.focus()
  }

  doc.addEventListener('visibilitychange', () => { if (!doc.hidden) ask() })
  plan(left() - warn)
})(document)
