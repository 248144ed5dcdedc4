"""Whether the gateway of this container is alive: exit code 0 or 1. Asked by the container engine; no other program is needed.

An argument is another path or address: ``healthcheck.py http://127.0.0.1:9180/readyz``.
"""

import sys
import urllib.error
import urllib.request

try:
    with urllib.request.urlopen((sys.argv[1:] or ["http://127.0.0.1:9180/healthz"])[0], timeout=4) as answer:  # noqa: S310 - an address given by whoever runs it
        sys.exit(0 if answer.status == 200 else 1)
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"not well: {error}")
