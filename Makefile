# The words that people and CI use. Everything happens in .venv; no other set-up step exists.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test test-slow lint fmt types contracts docs bench clean

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Groundcloud needs Python 3.11 or newer; say which: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(READY)

run: $(READY)          ## start the server, deploy the example, call it (ONCE=1: end after the call)
	@$(BIN)/python examples/run.py $(if $(ONCE),--once)

test: $(READY)         ## the tests, but the slow ones
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow' tests examples/credit-offers

test-slow: $(READY)    ## the slow ones: crash suite, real tools
	@$(BIN)/python -m pytest -m slow tests

lint: $(READY) contracts types
	@$(BIN)/ruff check src tests bench tools examples
	@$(BIN)/ruff format --check src tests bench tools examples

types: $(READY)
	@$(BIN)/mypy

contracts: $(READY)
	@$(BIN)/lint-imports

fmt: $(READY)
	@$(BIN)/ruff check --fix src tests bench tools examples
	@$(BIN)/ruff format src tests bench tools examples

docs: $(READY)         ## regenerate the tables under docs/
	@$(BIN)/python tools/write_coverage.py
	@$(BIN)/python tools/write_commands.py
	@$(BIN)/python tools/write_vectors_table.py

bench: $(READY)        ## figures as ratios taken in one run
	@$(BIN)/python -m bench

clean:
	rm -rf $(VENV) .ground
