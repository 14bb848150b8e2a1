# What a person types. Everything is installed into .venv; `make help` lists the targets.

PYTHON ?= python3
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check
# Made by installing, and older than what it was installed from whenever that has changed.
MADE := $(VENV)/.made
LLAMA_CPP := $(VENV)/.llama_cpp
SERVER := $(VENV)/.server
DEV := $(VENV)/.dev
E2E_REPORT := $(VENV)/e2e.xml

# numpy's small matrix products gain nothing from threads, which take cores from the servers that tests start.
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test e2e e2e-compose lint typecheck peer bench clean

help: ## list these targets
	@grep -E '^[a-z0-9-]+:.* ## ' Makefile | sed -E 's/^([a-z0-9-]+):.* ## /\1\t/' | expand -t 14

demo: $(SERVER) ## measure the bundled server on a real model, into runs/demo/
	$(BIN)/halospec demo

test: $(DEV) ## run the test suite, all but the end-to-end tests (PYTEST_ARGS=… goes to pytest)
	$(BIN)/python -m pytest -m "not e2e and not compose" $(PYTEST_ARGS)

e2e: $(DEV) ## run the end-to-end tests, the demo and a native llama-server among them; a skip counts as failed
	$(BIN)/python -m pytest -m "e2e and not compose" --junit-xml=$(E2E_REPORT) tests/e2e $(PYTEST_ARGS)
	@$(fail-on-skips)

e2e-compose: $(DEV) ## build the image and run both compose services; a skip counts as failed
	$(BIN)/python -m pytest -m compose --junit-xml=$(E2E_REPORT) tests/e2e $(PYTEST_ARGS)
	@$(fail-on-skips)

lint: $(DEV) ## ruff: rules and layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(DEV) ## mypy --strict
	$(BIN)/mypy
	$(BIN)/mypy $(wildcard servers/*.py)

peer: $(LLAMA_CPP) ## build a native llama-server to measure against, once (about 10 minutes), apart from .venv
	$(BIN)/python servers/build_llama_server.py

bench: $(DEV) ## list the speed measurements in benchmarks/ and how to run one
	@grep -l __main__ benchmarks/*.py | sed 's|^|$(BIN)/python |'

clean: ## remove .venv and what tools leave here; runs and the wheel cache stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

$(MADE):
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo 'No "$(PYTHON)" found: install Python 3.11 or newer, or name yours: make PYTHON=/path/to/python3' >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'HaloSpec needs Python 3.11 or newer and "$(PYTHON)" is older: name another, e.g. make PYTHON=python3.12' >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo '"$(PYTHON)" cannot make virtual environments: on Debian or Ubuntu, sudo apt-get install python3-venv' >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(LLAMA_CPP): $(MADE) servers/build_llama_cpp.py servers/wheel_builds.py pyproject.toml
	$(BIN)/python servers/build_llama_cpp.py
	@touch $@

$(SERVER): $(LLAMA_CPP) pyproject.toml
	$(PIP_INSTALL) --editable '.[server]'
	@touch $@

$(DEV): $(LLAMA_CPP) pyproject.toml
	$(PIP_INSTALL) --editable '.[server,dev]'
	@touch $(SERVER) $@

define fail-on-skips
if grep -o '<skipped [^>]*' $(E2E_REPORT) | grep -v pytest.xfail; then \
  echo 'Skipped end-to-end tests count as failed here.' >&2; exit 1; \
fi
endef
