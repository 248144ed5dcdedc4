"""A whole world on one machine, for ``vt-gateway demo`` and for the tests: simulators, people, cards, a backend."""
