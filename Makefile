# Fresh machine: needs Python 3.11 to 3.13, pip and make.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
STAMP   = $(VENV)/.installed

.PHONY: demo test lint bench clean

demo: $(STAMP)           ## the main job: simulate an hour of chat on 8 replicas of 4 H100
	$(BIN)/simulate scenarios/quickstart.toml --out runs/quickstart

test: $(STAMP)           ## the whole test suite
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(STAMP)           ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(STAMP)          ## speed, memory and the long differential and theory runs; writes results/benchmarks/
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m benchmarks

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14) and "Python 3.11 to 3.13 is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

clean:                   ## remove the virtual environment and everything built
	rm -rf $(VENV) build dist runs .pytest_cache .ruff_cache .hypothesis .benchmarks
