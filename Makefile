# Every target does its own set-up; `make` alone lists them.
PYTHON ?= python3
ARGS ?=
INVITE ?=

BIN := .venv/bin
SOURCES = $(wildcard src tests bench tools)
BROWSER_TESTS := tests/e2e tests/demo tests/test_browser.py
# Where the machine has no Node, the one in .venv is found.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix widget run --silent

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-demo setup-test demo test check unit e2e lab packaging release bench soak \
	widget extension lock clean

# Files and folders of tests in ARGS take the place of the target's own, however their paths are written.
tests_in = $(if $(filter tests tests/% ./tests ./tests/% $(CURDIR)/tests $(CURDIR)/tests/%,$(ARGS)),,$(1)) $(ARGS)

help: ## list the targets
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## prepare .venv and the widget
	@$(PYTHON) tools/bootstrap.py setup

setup-demo:
	@$(PYTHON) tools/bootstrap.py demo

setup-test:
	@$(PYTHON) tools/bootstrap.py test

demo: setup-demo ## see a blocked page arrive through a browser (ARGS=--once to end after it)
	@$(BIN)/passerelle demo $(ARGS)

test: setup-test check unit e2e lab packaging ## everything that must hold: check, unit, e2e, lab, packaging

check: setup ## formatting, lint and types, of Python and TypeScript, and the latter's tests
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(NPM) check
	$(NPM) test

# Three files of tests at a time, because most of them wait for timers.
unit: setup-test ## tests that need neither browser nor namespaces (ARGS goes to pytest)
	$(BIN)/pytest -n 3 --dist loadfile -m 'not e2e and not lab and not packaging and not soak' \
		$(call tests_in,tests)

# A reading page and its volunteers are four browsers: two such tests at once starve a small machine.
e2e: setup-test ## tests in a real Chromium
ifeq ($(ARGS),)
	$(BIN)/pytest -n 2 --dist loadfile -m 'e2e and not soak and not reading' $(BROWSER_TESTS)
	$(BIN)/pytest -m 'e2e and reading and not soak' $(BROWSER_TESTS)
else
	$(BIN)/pytest -m 'not soak' $(call tests_in,$(BROWSER_TESTS))
endif

lab: setup-test ## tests in network namespaces; needs root
	$(BIN)/pytest -m 'not soak' $(call tests_in,tests/lab)

packaging: setup-test ## build the release twice, and install it as README.md says
	$(BIN)/pytest $(call tests_in,tests/packaging)

release: setup ## wheel, sources and hashes of the last commit, into dist/
	@$(BIN)/python -m tools.release

soak: setup-test ## ten minutes of churn; memory must stay flat
	$(BIN)/pytest -m soak --timeout 1200 $(call tests_in,tests)

bench: setup-test ## every benchmark; python -m bench.NAME runs one
	$(BIN)/python -m bench $(ARGS)

widget: setup ## build widget and reading page into src/passerelle, even if nothing changed
	$(NPM) build

extension: setup ## build the browser extension into dist/ (INVITE=https://… is its network)
	@$(BIN)/python -m tools.extension --invite '$(INVITE)'

lock: ## bring uv.lock in line with pyproject.toml
	@$(PYTHON) tools/bootstrap.py lock

clean: ## remove everything that set-up and tests made
	rm -rf .venv .tools .artefacts .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage dist
	rm -rf src/passerelle/_widget src/passerelle/_reader src/passerelle/_places widget/node_modules
