# Everything from a bare machine: python3 (3.11 or newer), make and pip are enough.
#   make demo    train on the bundled data, translate both ways, write demo/
#   make test    run the whole test suite
#   make docs    build the documentation into docs/_build/html, warnings are errors
#   make tutorials    execute tutorials/ from scratch, outputs and all; TUTORIALS=1_quickstart for one
#   make lint    style and format        make types    mypy        make clean    remove .venv and demo
#   make trust   measure when translations can be believed, for docs/trust.md (about an hour)
#   make trust-quick    a minute of it
# PYTHON=python3.12 picks another interpreter; DEMO_ARGS=--quick shortens the demo.

PYTHON ?= python3
NEWEST ?= python3.12
DEMO_ARGS ?=
TEST_ARGS ?=
TUTORIALS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
# On a terminal, pip's own bars show how far the one large download is.
BARS := $(if $(MAKE_TERMOUT),,-qq)

.DEFAULT_GOAL := help
.PHONY: help install demo test test-lowest test-newest docs tutorials lint types clean

help:
	@sed -n 's/^#  *//p' Makefile | sed -n '1,/trust-quick/p'

install: $(STAMP)

# pip --python serves Debian's python3, which makes environments without pip.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "scvi_xmodal needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Say for example: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "[1/3] creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install -qq pip; }
	@echo "[2/3] installing PyTorch (200 MB, or 3 GB where no CPU build is served)"
	@$(PIP) $(BARS) torch
	@echo "[3/3] installing scvi_xmodal and what it needs (1 to 3 minutes)"
	@$(PIP) -qq -e ".[test]"
	@touch $@

demo: $(STAMP)
	$(BIN)/scvi-xmodal demo --out demo $(DEMO_ARGS)

# One thread a worker: two workers fill two cores. Numba, once used, sets OpenMP's number too.
test: $(STAMP)
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal $(TEST_ARGS)

$(DOCS_STAMP): $(STAMP)
	@echo "[docs] installing what builds the documentation"
	@$(PIP) -qq -e ".[docs]"
	@touch $@

docs: $(DOCS_STAMP)
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

tutorials: $(DOCS_STAMP)
	$(BIN)/python tutorials/execute.py $(TUTORIALS)

# Both make an environment of their own, .venv-lowest and .venv-newest, of some GB.
SMOKE := -m smoke tests --ignore=tests/benchmarks
VERSIONED := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1

test-lowest: $(STAMP)
	$(BIN)/python -m pip install -qq --disable-pip-version-check uv
	$(BIN)/uv pip compile -q pyproject.toml --extra test --resolution lowest-direct --python-version 3.11 -o .venv/lowest.txt
	$(BIN)/uv venv -q --clear -p 3.11 .venv-lowest
	$(BIN)/uv pip install -q --no-cache -p .venv-lowest/bin/python -r .venv/lowest.txt
	$(BIN)/uv pip install -q --no-deps -p .venv-lowest/bin/python .
	$(VERSIONED) .venv-lowest/bin/pytest -q $(or $(TEST_ARGS),$(SMOKE))

test-newest:
	$(NEWEST) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt ".[test]"
	$(VERSIONED) .venv-newest/bin/pytest -q $(or $(TEST_ARGS),$(SMOKE))

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# Only single threads: two would wait for each other on two cores.
ONE_THREAD := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 PYTHONWARNINGS=ignore

trust: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.familiarity
	$(ONE_THREAD) $(BIN)/python -m benchmarks.coverage
	$(ONE_THREAD) $(BIN)/python -m benchmarks.assess_cost
	$(ONE_THREAD) $(BIN)/python -m benchmarks.soak
	$(ONE_THREAD) $(BIN)/python -m benchmarks.trust

trust-quick: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.coverage --data bmmc_citeseq --epochs 5 --out demo/trust
	$(ONE_THREAD) $(BIN)/python -m benchmarks.soak --calls 60 --models 3 --out demo/trust

clean:
	rm -rf $(VENV) .venv-lowest .venv-newest demo docs/_build docs/api docs/tutorials
