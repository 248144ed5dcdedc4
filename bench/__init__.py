"""One command measures the gateway beside nginx and a naive aiohttp proxy, in one run: ``make bench``."""
