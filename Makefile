# Everything here runs on a machine that has Python 3.11 or newer, make and a package index, and nothing else.
# `make demo` trains on a real table; `make test` runs every test; `make check` lints, types and proves the floors.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: demo test check bench bench-env clean

# The first python that is new enough and can make an environment (some systems split `venv` off).
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$python; break; fi; done)

VENV := .venv
BENCH := .venv-bench
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check install --quiet -c constraints.txt
# What builds the package is pinned too.
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
# torch goes in first and alone: an index that offers several builds of it is asked once, for the pinned version.
TORCH := $(shell grep '^torch==' constraints.txt)
# Peers that ask for a torchvision which they do not import, and of which no build matches this torch.
ALONE := $(shell sed -n 's/^# alone: \([^ ]*\).*/\1/p' constraints-bench.txt)
# Two test processes of one thread each fill two cores; more threads only take turns.
JOBS ?= 2
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 POLARS_MAX_THREADS=2

demo: $(VENV)/.installed
	rm -rf runs/demo
	$(BIN)/goodfit train examples/adult.csv.gz --target income --preset fast --out runs/demo

test: $(VENV)/.installed-dev
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The measured results, as they are in the repository. Each file in benchmarks/ makes its own anew.
bench: $(VENV)/.installed
	@$(BIN)/python benchmarks/reprint.py

# The peers that goodfit is measured beside live in an environment of their own.
bench-env: $(BENCH)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python $(PIP) $(TORCH)
	$(BIN)/python $(PIP) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python $(PIP) -e '.[dev]'
	touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "goodfit needs Python 3.11 or newer with venv; none was found. Name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(BENCH)/.installed: constraints-bench.txt $(VENV)/.installed
	$(BIN)/python -m venv $(BENCH)
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints-bench.txt $(TORCH)
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet -r constraints-bench.txt
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps $(ALONE)
	touch $@

clean:
	rm -rf $(VENV) $(BENCH) build dist runs
