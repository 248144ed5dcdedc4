/* Passkeys: the ceremony of the page's form; its answer is posted. */
(doc => {
  const get = name => doc.getElementById('passkey-' + name)
  const form = get('form'), problem = get('problem'), wait = get('wait'), button = form.querySelector('button')
  const data = form.dataset, making = data.ceremony === 'create', began = Date.now()
  const cannot = "Cet appareil ne vérifie pas que c'est vous\u00a0: activez son code ou son empreinte."
  const said = {
    NotAllowedError: making ? "Aucune clé d'accès n'a été créée\u00a0: demande annulée ou sans réponse."
      : "Rien n'a été confirmé\u00a0: demande annulée, sans réponse, ou pas de clé d'accès de ce site ici.",
    InvalidStateError: "Cet appareil a déjà une clé d'accès pour votre compte.",
    SecurityError: "Les clés d'accès ne marchent pas à cette adresse.",
    NotSupportedError: cannot,
    ConstraintError: cannot,
    none: "Ce navigateur ne sait pas utiliser les clés d'accès.",
    over: 'Cette page avait trop attendu. Elle est à jour\u00a0: recommencez.'
  }

  function say(name) {
    problem.innerHTML = '<p></p>'
    problem.firstChild.textContent = (said[name] || "Cet appareil n'a pas pu répondre.") +
      (making || name === 'over' ? '' : ' Réessayez, ou choisissez un autre moyen de connexion.')
    problem.hidden = false
  }
  const busy = yes => { button.disabled = yes; wait.hidden = !yes }
  const bytes = text => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), c => c.charCodeAt(0))
  const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')

  get('without').hidden = true
  if (!window.PublicKeyCredential) return say('none')
  button.hidden = false
  if (location.hash === '#over') { say('over'); history.replaceState(null, '', location.href.split('#')[0]) }
  addEventListener('pageshow', event => { if (event.persisted) location.reload() })

  form.onsubmit = async event => {
    event.preventDefault()
    if (button.disabled) return
    if (Date.now() - began > data.life * 1000) { location.hash = 'over'; return location.reload() }
    problem.hidden = true
    busy(true)
    try {
      const publicKey = JSON.parse(data.options), response = {}
      publicKey.challenge = bytes(publicKey.challenge)
      if (making) publicKey.user.id = bytes(publicKey.user.id)
      for (const one of publicKey.excludeCredentials || []) one.id = bytes(one.id)
      const made = await navigator.credentials[data.ceremony]({ publicKey })
      for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'])
        if (made.response[name]) response[name] = text(made.response[name])
      form.credential.value = JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response })
      form.submit()
    } catch (error) {
      busy(false)
      say(error.name)
      button.focus()
    }
  }
})(document)
