"""Passkeys, with Chromium's own authenticator: the journey of a doctor who adds one and signs in with it; and the
authenticator tried by itself."""

from __future__ import annotations

import pytest

from tests.browser import Way
from tests.chromium.conftest import Meet

DEEP = "/Trajectoire/Pages/AccesRestreint/x?id=1&b=2"
_MAKE = """async () => {
  const made = await navigator.credentials.create({ publicKey: {
    challenge: new Uint8Array(32), rp: { id: location.hostname, name: 'ViaTrajectoire' },
    user: { id: new Uint8Array([1, 2, 3]), name: 'a', displayName: 'A' },
    pubKeyCredParams: [{ type: 'public-key', alg: -7 }, { type: 'public-key', alg: -257 }],
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' } } })
  return made.id
}"""
_USE = """async () => {
  try {
    const used = await navigator.credentials.get({ publicKey: {
      challenge: new Uint8Array(32), rpId: location.hostname, userVerification: 'required', timeout: 2000 } })
    return used.id
  } catch (error) { return error.name }
}"""


async def test_a_passkey_is_made_and_used(meet: Meet) -> None:
    """The same key answers without a name being typed; a finger that is not recognised answers nothing."""
    me = await meet()
    await me.open("/_gateway/sign-in")
    passkey = await me.passkey()
    made = await me.page.evaluate(_MAKE)
    (held,) = await passkey.credentials()
    assert (held["rpId"], held["isResidentCredential"]) == ("localhost", True)
    assert await me.page.evaluate(_USE) == made
    await passkey.verify_user(False)
    assert await me.page.evaluate(_USE) == "NotAllowedError"


@pytest.mark.parametrize("way", [Way.MOUSE, Way.KEYBOARD], ids=lambda way: way.value)
async def test_a_doctor_adds_a_passkey_and_signs_in_with_it(meet: Meet, way: Way) -> None:
    """Added after e-CPS, used without any name or password, refused when the finger is not recognised, then removed."""
    me = await meet(way)
    await me.sign_in_by_psc("dr-bernard")
    passkey = await me.passkey()
    await me.press("Gérer mes clés d'accès")
    await me.press("Ajouter une clé d'accès")
    await me.fill("Nom de la clé d'accès", "Mon poste")
    await me.press("Créer ma clé d'accès")
    await me.sees("Mon poste")
    (held,) = await passkey.credentials()
    assert (held["rpId"], held["isResidentCredential"]) == ("localhost", True)
    await me.press("Se déconnecter")
    await me.open(DEEP)
    await me.press("Se connecter par clé d'accès")
    await passkey.verify_user(False)
    await me.touch("Utiliser ma clé d'accès")
    await me.sees("Rien n'a été confirmé")
    assert await me.axe() == []
    await passkey.verify_user(True)
    await me.press("Utiliser ma clé d'accès")
    await me.is_at(DEEP)
    await me.sees("BERNARD")
    await me.sign_in_by_psc("dr-bernard", back="/_gateway/account/passkeys")
    await me.press("Retirer Mon poste")
    await me.sees("Vous n'avez pas encore de clé d'accès.")


async def test_a_passkey_without_scripts_shows_another_way(meet: Meet) -> None:
    """Without scripts the page says so and leads to the other means."""
    me = await meet(Way.NO_SCRIPT)
    await me.open("/_gateway/sign-in/passkey?space=professionnel")
    await me.sees("Ce moyen a besoin de JavaScript")
    await me.press("Choisir un autre moyen de connexion")
    await me.sees("Se connecter")
