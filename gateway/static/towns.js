/* Suggests towns for postal_code and city (R13). The form works without it. */
(doc => {
  'use strict'
  const url = doc.currentScript.src.replace(/static\/[^/]*$/, 'towns?q='), code = doc.querySelector('[name=postal_code]')
  const city = code && code.form.querySelector('[name=city]')
  if (!city || !window.fetch) return
  let timer
  const ask = (text, then) => fetch(url + encodeURIComponent(text.slice(0, 80))).then(answer => answer.json()).then(then, () => {})
  const put = town => { code.value = town.postal_code; city.value = town.city }
  for (const field of [code, city]) {
    const other = field === code ? city : code, list = doc.createElement('datalist')
    const name = town => field === code ? town.postal_code + ' ' + town.city : town.city + ' ' + town.postal_code
    let towns = []
    list.id = field.name + '-towns'
    field.after(list)
    field.setAttribute('list', list.id)
    field.oninput = () => {
      const text = field.value, chosen = towns.find(town => name(town) === text)
      clearTimeout(timer)
      if (chosen) put(chosen)
      else if (text[1]) timer = setTimeout(ask, 200, text, found => {
        if (text !== field.value) return
        towns = found
        list.replaceChildren(...found.map(town => new Option(name(town))))
      })
    }
    field.onchange = () => {
      const text = field.value
      if (text && !other.value) ask(text, found => {
        if (!found[1] && found[0] && field.value === text && !other.value) put(found[0])
      })
    }
  }
})(document)
