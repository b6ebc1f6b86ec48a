# Every target sets up what it needs: Python 3.11 or newer, make and a package index are enough.
# PYTHON=/path/to/python chooses the interpreter that .venv is made with.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: peers-venv help setup demo kafka up test check format bench chaos soak live-seeds clean distclean

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input --quiet install
LISTS := requirements/build.txt requirements/core.txt requirements/models.txt requirements/extras.txt requirements/dev.txt requirements/nodeps.txt
# The stamp's name holds what was installed and where: another list or a moved folder installs again.
STAMP := .venv/stamp-$(shell (echo $(CURDIR); cat $(LISTS) pyproject.toml) | cksum | cut -d' ' -f1)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with pinned dependencies and this package (seconds when nothing changed)

$(STAMP): $(LISTS) pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found: install one, or say make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(PY) || { echo "making .venv with $(PYTHON)"; $(PYTHON) -m venv .venv || { \
		rm -rf .venv; echo "$(PYTHON) can't make a venv: install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }; }
	@echo "installing pinned dependencies (the first time: a few minutes at most)"
	@$(PIP) $(foreach list,$(filter-out requirements/nodeps.txt,$(LISTS)),-r $(list))
	@$(PIP) --no-deps -r requirements/nodeps.txt
	@$(PIP) --no-deps --no-build-isolation -e . -e packages/arena
	@rm -f .venv/stamp-* && touch $@

demo: $(STAMP) ## Serve two models from zero, scale one out under load, back to zero, stop
	@$(PY) examples/demo.py

kafka: $(STAMP) ## Events of a Kafka topic to a model: a local broker, 5,000 events, pods that come and go
	@$(PY) examples/kafka/run.py $(if $(FOR),--seconds $(FOR))

up: $(STAMP) ## Start the engine in the foreground (Ctrl-C stops it)
	@$(PY) -m tidegate.cli.main up

test: $(STAMP) ## Run all tests, four files at a time (most live ones wait); what fails once more, alone
	$(PY) -m pytest -q -n 4 --dist loadfile || { \
		echo "What failed among the others runs once more, alone. What passes then is a race worth finding." >&2; \
		$(PY) -m pytest -q --last-failed --last-failed-no-failures none; }

check: $(STAMP) ## Format, lint, types, import contracts
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports

format: $(STAMP) ## Format and fix what can be fixed
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: $(STAMP) ## Run the benchmarks
	@for file in benchmarks/*.py; do echo "== $$file"; $(PY) "$$file"; done

peers-venv: ## Install what the model cache is measured against into .venv-peers
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip --disable-pip-version-check --no-input --quiet install -r requirements/peers.txt

chaos: $(STAMP) ## Kill -9 everything at random under load, fill the disk (SEED=7 FOR=300 seconds; 3 minutes if not said)
	@$(PY) -m tidegate.testing.chaos $(if $(SEED),--seed $(SEED)) --seconds $(or $(FOR),180)

soak: $(STAMP) ## 200 cycles zero -> one -> zero, and what they leave behind (about 4 minutes; ROUNDS=30 for more)
	@$(PY) -m tidegate.testing.leaks $(if $(ROUNDS),--rounds $(ROUNDS))

live-seeds: $(STAMP) ## Published runs of Arena, KServe and autoscalers, at full length (a quarter of an hour)
	@$(PY) examples/seeds/live_seeds.py $(RUNS)

clean: ## Remove caches and generated files
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache examples/*/build
	find src tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove .venv too
	rm -rf .venv .venv-peers src/*.egg-info
