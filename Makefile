.DEFAULT_GOAL := help
.PHONY: help install demo test lowest bench rebuild scaling memory growth faults mutants lint clean

VENV := .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
STAMP := $(VENV)/.installed
PEERS := $(VENV)/.peers
LOWEST := .venv-lowest

help:  ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP)  ## make .venv and install metabt with everything the demo and the tests need

# Installs again only when what is to be installed has changed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "metabt needs Python 3.11 or newer, found: $$($(PYTHON) --version 2>&1 || echo none). Install it, or: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[demo,dev]" -c constraints.txt
	@echo "compiling kernels ..."; $(VENV)/bin/python jobs/compile_kernels.py
	@touch $@

demo: $(STAMP)  ## ingest the demo prices, run portfolio=demo, print what came out
	@$(VENV)/bin/metabt demo
	@printf "\nbefore these, once in each terminal:  source $(VENV)/bin/activate\n"

test: $(STAMP)  ## the default test suite
	$(VENV)/bin/python -m pytest -n auto

lowest: $(LOWEST)/.installed  ## the default test suite with every direct dependency at its lower bound
	NUMBA_CACHE_DIR=$(CURDIR)/$(LOWEST)/kernels $(LOWEST)/bin/python -m pytest -n auto

# An environment of its own; what the dependencies need in turn is up to pip.
$(LOWEST)/.installed: pyproject.toml .ci/lowest.py
	rm -rf $(LOWEST) && $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check packaging
	$(LOWEST)/bin/python .ci/lowest.py > $(LOWEST)/requirements.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -r $(LOWEST)/requirements.txt -e .
	@touch $@

bench: $(PEERS)  ## metabt against skfolio, bt and a plain loop; writes benchmarks/RESULTS.md
	PYTHONPATH=. $(VENV)/bin/python benchmarks/peers.py

# A peer that cannot be had is left out, and the run says so.
$(PEERS): $(STAMP)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[bench]" -c constraints.txt && touch $@ || \
	  echo "not all peers can be installed; those that are missing are left out"

rebuild: $(STAMP)  ## what is computed again, and how long it takes
	PYTHONPATH=. $(VENV)/bin/python benchmarks/build_system.py

scaling: $(STAMP)  ## how the walk scales on Ray, and what memory it takes
	PYTHONPATH=. $(VENV)/bin/python benchmarks/scaling.py
	PYTHONPATH=. $(VENV)/bin/python benchmarks/cluster_model.py

memory: $(STAMP)  ## what a walk keeps in memory by its number of leaves, and a block on disk
	PYTHONPATH=. $(VENV)/bin/python benchmarks/memory.py

growth: $(STAMP)  ## seconds and memory by leaves, assets, years, depth, schedule, optimizer, configurations
	PYTHONPATH=. $(VENV)/bin/python benchmarks/growth.py

faults: $(STAMP)  ## kill workers at random, twenty times over, and whatever takes part in a sweep at every stage
	METABT_FAULTS=20 $(VENV)/bin/python -m pytest -s -m "slow or not slow" tests/engines/ray/test_faults.py \
		tests/engines/ray/test_nodes.py tests/engines/ray/test_sweep_faults.py

mutants: $(STAMP)  ## mutate every module once: keys move where bytes do
	METABT_MODULES=1000 $(VENV)/bin/python -m pytest -m slow tests/build/test_narrow_keys.py

lint: $(STAMP)  ## ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

clean:  ## remove the environments and what tools cache; results under data/ stay
	rm -rf $(VENV) $(LOWEST) .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
