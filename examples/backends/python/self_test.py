"""Judges a document of assertions and exits 1 at the first one judged wrongly.

python self_test.py ../vectors.json
python self_test.py https://vt.example.fr/_gateway/assertion-tests
python self_test.py https://localhost:8443/_gateway/assertion-tests ca.pem
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from vt_assertion import KeySet, Refused, read


def main(source: str, ca: str | None = None) -> int:
    if source.startswith("https://"):
        context = ssl.create_default_context(cafile=ca)
        with urllib.request.urlopen(source, timeout=10, context=context) as answer:
            document = json.load(answer)
    else:
        document = json.loads(Path(source).read_text("utf-8"))
    keys = KeySet(document=document["jwks"])
    now = datetime.fromtimestamp(document["now"], UTC)
    for one in document["good"]:
        try:
            who = read(one["token"], keys, document["issuer"], document["audience"], now)
        except Refused as error:
            print(f"wrongly refused: {one['name']}: {error}")
            return 1
        given = who.delegation
        said = given and {
            "identifier": given.identifier,
            "on_behalf_of": given.on_behalf_of,
            "kind": given.kind,
            "rights": sorted(list(pair) for pair in given.rights),
            "until": given.until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        claims = who.claims
        found = {
            "person": who.person,
            "family_name": claims.get("family_name"),
            "given_name": claims.get("given_name"),
            "assurance": claims.get("acr"),
            "delegation": said,
        }
        if found != one["expect"]:
            print(f"misread: {one['name']}: {found}")
            return 1
    for one in document["bad"]:
        try:
            read(one["token"], keys, document["issuer"], document["audience"], now)
        except Refused:
            continue
        print(f"wrongly believed: {one['name']}: {one['why']}")
        return 1
    print(f"{len(document['good'])} believed, {len(document['bad'])} refused")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
