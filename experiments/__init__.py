"""``make experiments``: an estate of several gateways on this machine, trouble made on purpose, and what people saw of it."""
