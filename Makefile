# Two commands do everything on a machine that has Python >= 3.10, make and pip:
#   make search   installs into .venv and runs the main job on data that needs no download
#   make test     installs what the tests need and runs them all
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SPEC ?= specs/gcos.cospace
OUT ?= results/gcos
SEED ?= 0
JOBS ?= 2

.PHONY: help install search test lint types tests truth fuzz coverage format clean

help:  ## say what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "cospace needs Python 3.10 or newer; say PYTHON=... to name one" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml python/cospace/__init__.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[run]'
	@touch $@

$(VENV)/.dev: pyproject.toml python/cospace/__init__.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[run,lsp,dev]'
	@touch $@ $(VENV)/.run

install: $(VENV)/.run  ## make .venv with everything that a search needs

search: $(VENV)/.run  ## search the shipped design space: network, bitwidths and accelerator together
	$(BIN)/cospace search $(SPEC) --out $(OUT) --seed $(SEED) --overwrite

test: lint types tests  ## lint, types and all tests

lint: $(VENV)/.dev  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## static types of the language and the compiler
	$(BIN)/mypy --strict -p cospace.dsl -p cospace.compiler -p cospace.lsp

tests: $(VENV)/.dev lint types  ## the tests alone, on JOBS processes
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS)

truth: $(VENV)/.dev  ## 20,000 random spaces of every construct against brute force, or SPACES of them
	COSPACE_TRUTH=$(or $(SPACES),20000) OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) tests/compiler/test_truth.py

fuzz: $(VENV)/.dev  ## 100,000 random texts through every pass, or FUZZ of them; what broke goes to results/fuzz
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.compiler.fuzz --texts $(or $(FUZZ),100000) --jobs $(JOBS) --save results/fuzz

coverage: $(VENV)/.dev  ## branch coverage of dsl/ and compiler/ by all tests; fails under 95 %
	$(BIN)/coverage erase
	OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest -n $(JOBS); tests=$$?; \
	  $(BIN)/coverage combine --quiet && $(BIN)/coverage report && exit $$tests

format: $(VENV)/.dev  ## rewrite the Python files in the house's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what was built, results kept
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
