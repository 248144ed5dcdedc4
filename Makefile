# Commands of the house. `make` alone prints them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help demo test check format bench experiments fuzz schemathesis soak lock programs stories-wide
SECONDS ?= 60
MINUTES ?= 10
PROCESSES ?= 2
WIDE ?= 1

help: ## print this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime

demo: $(VENV)/.runtime ## run a whole world on this machine and print where to click
	$(BIN)/python -m gateway demo

programs: ## install the programs that the tests drive (Debian, Ubuntu), where this is allowed
	@sh scripts/install-programs

test: $(VENV)/.dev programs ## run every test, files shared by PROCESSES=2
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile $(ARGS)

stories-wide: $(VENV)/.dev programs ## tell the stories to two gateways of three workers on Redis and PostgreSQL; WIDE=killed: and kill workers
	VTGW_WIDE=$(WIDE) $(BIN)/python -m pytest tests/stories --timeout 300 $(ARGS)

check: $(VENV)/.dev ## format, lint, types, import contracts, scripts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	$(BIN)/shellcheck scripts/install-programs .ci/run deploy/backup/backup deploy/backup/restore
	$(BIN)/shellcheck deploy/systemd/install.sh deploy/systemd/vt-gateway deploy/compose/prepare.sh deploy/compose/redis/start.sh

format: $(VENV)/.dev ## put the code in its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev programs ## measure the gateway beside nginx and a naive proxy, in one run
	$(BIN)/python -m bench $(ARGS)

experiments: $(VENV)/.dev programs ## make trouble on an estate of several gateways, and tell what people saw
	$(BIN)/python -m experiments $(ARGS)

fuzz: ## feed hostile bytes to what reads them, for SECONDS=60 in all
	@test -x .fuzzenv/bin/python || $(PYTHON) -m venv .fuzzenv
	.fuzzenv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.txt
	.fuzzenv/bin/python -m fuzz --seconds $(SECONDS)

schemathesis: $(VENV)/.runtime ## ask the API of a fresh demo for all its document allows, and for what it does not
	@test -x .apienv/bin/python || $(PYTHON) -m venv .apienv
	.apienv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/api.txt
	$(BIN)/python scripts/ask-api $(CURDIR)/.apienv/bin/schemathesis $(ARGS)

soak: $(VENV)/.dev programs ## mixed load for MINUTES=10; memory and descriptors must stay flat
	$(BIN)/python -m soak --minutes $(MINUTES)

lock: ## remake requirements/*.txt from *.in (needs uv)
	for name in runtime build dev fuzz api; do uv pip compile -q --universal --generate-hashes --python-version 3.11 \
	  --no-header --no-annotate requirements/$$name.in -o requirements/$$name.txt; done
