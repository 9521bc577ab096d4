# Needs Python 3.11 and make; everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: help run test lint types unit browser bench bench-peers clean
.NOTPARALLEL:             # whatever runs beside a measurement disturbs it

help:                     ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run: .venv/run.stamp      ## serve the app on http://localhost:8501
	$(BIN)/python -m streamlit run app.py

test: lint types unit browser  ## all checks and tests

lint: .venv/dev.stamp     ## style and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/dev.stamp    ## static types
	$(BIN)/mypy

unit: .venv/dev.stamp     ## everything but the browser
	$(PYTEST) -m "not browser" -n 2 --dist loadfile

browser: .venv/dev.stamp  ## the app in real Chromium; skipped without one, unless REQUIRE_BROWSER=1
	$(PYTEST) -m browser

bench: .venv/dev.stamp    ## timings, as ratios; on request
	$(PYTEST) -s -o python_files='bench_*.py' tests/benchmarks

bench-peers: .venv/dev.stamp  ## other tools beside ours, each in its own environment: PEERS="MODEL --data DATA"
	$(BIN)/python -m tests.benchmarks.peers $(or $(PEERS),core/example/digits.onnx --data core/example/digits.zip)

clean:                    ## forget the environment and the caches, not the data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 is the least.")'
	$(PYTHON) -m venv .venv

.venv/run.stamp: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev.stamp: requirements-dev.txt requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ .venv/run.stamp
