"""What a backend receives: the same facts as headers and as a signed sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from gateway.assertion import Audience, Mint
from gateway.edges.keys import FileSigner, Secrets, ensure_assertion_key, ensure_secret, key_set
from gateway.identity import Assurance, NationalId, Proof
from gateway.policy.decision import Facts
from gateway.reasons import KeyUnavailable
from tests.ambient import TestAmbient
from tests.policy.test_decision import ACCOUNT, NOW, session


def minter(path: Path, *audiences: Audience) -> tuple[Mint, FileSigner]:
    signer = FileSigner(ensure_assertion_key(path / "key.pem"))
    made = Mint(
        signer, TestAmbient(NOW), "https://vt.test", audiences or [Audience("vt", "vt-app")], "X-VT-", "X-VT-Assertion"
    )
    return made, signer


def lines(stamp: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in stamp.decode("ascii").split("\r\n") if line)


async def test_r136_claims_verify_with_the_key_set_alone(tmp_path: Path) -> None:
    """Signature, audience, life and identity hold for a backend that knows only jwks.json."""
    mint, signer = minter(tmp_path)
    minted = await mint.mint(Facts(session(), ACCOUNT), "vt", "1690780010", NOW)
    token = lines(minted.stamp)["X-VT-Assertion"]
    import json

    claims = jwt.decode(token, KeySet.import_key_set(json.loads(key_set([signer]))), algorithms=["ES256"]).claims
    assert claims["exp"] - claims["iat"] == 60
    assert claims["iat"] == int(NOW.timestamp())
    assert (claims["aud"], claims["iss"], claims["sub"]) == ("vt-app", "https://vt.test", "899700000007")
    assert (claims["acr"], claims["amr"], claims["structure"]) == ("substantial", ["cps"], "1690780010")
    assert minted.usable(NOW)
    assert not minted.usable(NOW + timedelta(seconds=50))
    assert not minted.usable(NOW - timedelta(seconds=1))


async def test_r137_r138_absent_is_absent_and_names_are_encoded(tmp_path: Path) -> None:
    """No empty header; accents, quotes and line breaks never stand bare in a header line."""
    mint, _ = minter(tmp_path)
    account = replace(
        ACCOUNT, national_id=NationalId("3", "690780028/7"), family_name="D’ALMÉIDA\r\nX-VT-RPPS: 1", specialty=None
    )
    stamp = (await mint.mint(Facts(session(), account), "vt", None, NOW)).stamp
    found = lines(stamp)
    assert {"X-VT-RPPS", "X-VT-ADELI", "X-VT-Specialty", "X-VT-Structure"} & found.keys() == set()
    assert stamp.count(b"\r\n") == len(found)
    assert unquote(found["X-VT-Name"]) == "D’ALMÉIDA\r\nX-VT-RPPS: 1"
    assert found["X-VT-IdNat-PS"] == "3690780028/7"
    assert all(value for value in found.values())


async def test_r140_claims_are_minimised_per_backend(tmp_path: Path) -> None:
    """A backend with a list receives those claims and the subject, in headers and in the assertion."""
    mint, _ = minter(tmp_path, Audience("small", "small", frozenset({"rpps"})))
    found = lines((await mint.mint(Facts(session(), ACCOUNT), "small", None, NOW)).stamp)
    assert found.keys() == {"X-VT-RPPS", "X-VT-Assertion"}


async def test_r141_a_code_is_never_substantial(tmp_path: Path) -> None:
    """A session opened by a code says transition."""
    mint, _ = minter(tmp_path)
    found = lines((await mint.mint(Facts(session(Assurance.TRANSITION), ACCOUNT), "vt", None, NOW)).stamp)
    assert found["X-VT-Assurance"] == "transition"


def test_r136_two_keys_overlap_and_bad_files_are_named(tmp_path: Path) -> None:
    """The key set publishes the signing key first and the previous ones; a file that is no key is refused."""
    first, second = (FileSigner(ensure_assertion_key(tmp_path / name)) for name in ("a.pem", "b.pem"))
    assert FileSigner(ensure_assertion_key(tmp_path / "a.pem")).kid == first.kid
    document = key_set([second, first]).decode()
    assert document.index(second.kid) < document.index(first.kid)
    assert '"d"' not in document
    (tmp_path / "bad.pem").write_text("nonsense")
    for name in ("bad.pem", "missing.pem"):
        with pytest.raises(KeyUnavailable):
            FileSigner(tmp_path / name)


def test_secrets_derive_and_seal(tmp_path: Path) -> None:
    """Keys differ by purpose, sealed values open only with the same file."""
    secrets = Secrets(ensure_secret(tmp_path / "a"))
    other = Secrets(ensure_secret(tmp_path / "b"))
    assert secrets.key("codes") != secrets.key("forms")
    sealed = secrets.seal("id token")
    assert "id token" not in sealed
    assert (secrets.unseal(sealed), other.unseal(sealed), secrets.unseal("x")) == ("id token", None, None)
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_the_proof_that_speaks_is_the_strongest(tmp_path: Path) -> None:
    """Of several proofs the strongest is told, the newest of equals."""
    weak = session(Assurance.TRANSITION).proofs[0]
    strong = session().proofs[0]
    both: tuple[Proof, ...] = (strong, weak)
    assert replace(session(), proofs=both).assurance is Assurance.SUBSTANTIAL
