# A newcomer needs two commands: `make demo` and `make test`. `make help` lists the others.
#
# Another interpreter gets an environment of its own: make test PYTHON=python3.13 VENV=.venv-3.13
# pip is used as the machine has configured it.

PYTHON ?= python3
VENV ?= .venv
# Tests at a time; with two workers the suite takes under six minutes on two cores.
JOBS ?= 2
# Your own document for the demo: make demo PDF=contract.pdf; over HTTP, in both plans: make demo PROVIDERS=sandbox
PDF ?=
# Said to pytest as it is: make test PYTEST="tests/core -k money"
PYTEST ?=

# Where `make portal` listens
PORT ?= 8000

# Where npm puts axe-core, for `make browser`
AXE ?= build/axe

# Some rooms only: make mutants ROOMS="otp values"
ROOMS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet --quiet
# One stamp an interpreter: asking for another one under the same VENV is noticed instead of ignored.
MADE := $(VENV)/.made-with-$(notdir $(PYTHON))
SHORT := import sys; print("%d.%d" % sys.version_info[:2])

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F@ '{ printf "%-20s %s\n", $$1, $$2 }'

# -- environments ------------------------------------------------------------------------------------------------

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is too old or missing: Python 3.11 or newer is needed (make … PYTHON=python3.13)" >&2; exit 1; }
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  [ "$$($(PYTHON) -c '$(SHORT)')" = "$$($(BIN)/python -c '$(SHORT)')" ] \
	    || { echo "$(VENV) belongs to another Python: add VENV=.venv-$$($(PYTHON) -c '$(SHORT)')" >&2; exit 1; }; \
	else \
	  echo "making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear $(VENV); \
	fi
	@touch $@

$(VENV)/.demo: $(MADE) pyproject.toml
	@echo "installing qcp_sdk and what the demo needs into $(VENV) (a minute or two, the first time)"
	@$(PIP) install --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(MADE) pyproject.toml
	@echo "installing qcp_sdk and what its tests need into $(VENV) (two minutes or so, the first time)"
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.demo $@

$(VENV)/.bench: $(VENV)/.dev
	@echo "installing what the benchmarks compare with into $(VENV)"
	@$(PIP) install --editable '.[bench]'
	@touch $@

# -- to see it and to trust it -----------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.demo ## the whole journey, from nothing, without a screen; writes demo-output/
	@$(BIN)/python -m qcp_sdk.demo $(if $(PDF),--pdf '$(PDF)') $(if $(PROVIDERS),--providers '$(PROVIDERS)')

.PHONY: test
test: $(VENV)/.dev ## the tests, but for those of half a minute each (`long`), which are CI's
	@$(BIN)/python -m pytest -n $(JOBS) $(PYTEST)

.PHONY: portal
portal: $(VENV)/.dev ## a small platform to walk through in your browser, on this machine; PORT=8000
	@$(BIN)/python -m qcp_sdk.demo.portal --port $(PORT)

.PHONY: browser
browser: $(VENV)/.dev ## the pages in a real browser: needs chromium and npm
	@$(PIP) install 'playwright>=1.49'
	@npm install --silent --no-audit --no-fund --prefix '$(AXE)' 'axe-core@^4.10'
	@QCP_BROWSER=$$(command -v chromium) QCP_AXE='$(AXE)/node_modules/axe-core/axe.min.js' \
	  $(BIN)/python -m pytest -n $(JOBS) -m browser tests/browser tests/journeys/test_portal.py $(PYTEST)

.PHONY: full
full: $(VENV)/.dev ## the tests and what is too long for CI: every crash, large worlds, mutants, a soak
	@QCP_HYPOTHESIS=full $(BIN)/python -m pytest -n $(JOBS) -m 'not browser' $(PYTEST)
	@$(MAKE) --no-print-directory mutants soak

.PHONY: mutants
mutants: $(VENV)/.dev ## change the pure rooms one thing at a time: does a test notice?
	@$(BIN)/python scripts/mutants.py --write $(ROOMS)

# A million people, an hour or so on two cores: make soak SEED=7
SOAK ?= 1000000
SEED ?= 0

.PHONY: soak
soak: $(VENV)/.dev ## let a million people subscribe while everything goes wrong that can
	@$(BIN)/qcp-sdk simulate --subscriptions $(SOAK) --seed $(SEED) --jobs $(JOBS) --trace simulation-failure.json

# Hostile documents by chance, from a seed: make fuzz SECONDS=3600 SEED=7
SECONDS ?= 300

.PHONY: fuzz
fuzz: $(VENV)/.dev ## change signed documents, certificates and lists at random: no foreign error, nothing passes for it
	@$(BIN)/python scripts/fuzz.py --seconds $(SECONDS) --seed $(SEED)

.PHONY: hostile
hostile: $(VENV)/.dev ## write docs/hostile.md again: what three verifiers say; needs pdfsig
	@$(BIN)/python scripts/make_hostile.py

.PHONY: bench
bench: $(VENV)/.bench ## compare with what others offer, in the same run
	@$(BIN)/python -m benchmarks.run

# -- to keep the house in order ----------------------------------------------------------------------------------

.PHONY: lint
lint: $(VENV)/.dev ## style, formatting, and which room may know which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(VENV)/.dev ## mend style and formatting
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: types
types: $(VENV)/.dev ## mypy --strict over sources, tests, scripts and benchmarks
	@$(BIN)/mypy

.PHONY: docs
docs: $(VENV)/.dev ## write the generated pages again; pictures, too, where chromium is
	@$(BIN)/python scripts/make_docs.py
	@if command -v chromium >/dev/null; then $(MAKE) --no-print-directory screenshots; \
	else echo "no chromium here: the pictures of docs/pages.md stay as they are"; fi

.PHONY: screenshots
screenshots: $(VENV)/.dev ## take a picture of every page for docs/pages.md: needs chromium
	@$(PIP) install 'playwright>=1.49' 'pillow>=11'
	@QCP_BROWSER=$$(command -v chromium) $(BIN)/python scripts/make_screenshots.py

.PHONY: docs-check
docs-check: $(VENV)/.dev ## fail when a generated page is stale
	@$(BIN)/python scripts/make_docs.py --check
	@$(BIN)/python scripts/make_screenshots.py --check

.PHONY: corpus
corpus: $(VENV)/.dev ## write the corpus of policy decisions again; only on purpose, and read what changed
	@$(BIN)/python scripts/make_policy_corpus.py

.PHONY: build
build: $(VENV)/.dev ## a wheel and an sdist in dist/
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist .
	@ls dist

.PHONY: clean
clean: ## remove what was made here, but not the environments
	rm -rf dist build demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## remove $(VENV) as well
	rm -rf $(VENV)
