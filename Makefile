# Needs only make and Python 3.11, 3.12 or 3.13. `make` alone lists what there is.
# Everything is installed into .venv from compiled requirements, each file checked against its hash.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
SUPPORTED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
# The first of these that runs and is supported; `make PYTHON=/some/python3.12 ...` overrides it.
PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3 python; do \
	if $$each -c '$(SUPPORTED)' >/dev/null 2>&1; then echo $$each; break; fi; done)
WORKERS ?= 2
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
EXTRAS := pandas polars skops lightgbm catboost onnx http sql postgres image language apprise otel explain fairlearn text demo
# Each into an environment of its own below this folder; on Linux the index must offer a build of PyTorch for the CPU.
FORMATS := .formats
FRAMEWORKS := torch==2.13.0 keras==3.15.1 tensorflow-cpu==2.21.0 jax==0.10.2 transformers==5.23.0 mlflow-skinny==3.17.2
MAKES_PMML := sklearn2pmml==0.133.1 scikit-learn==1.9.0 pandas lightgbm xgboost-cpu
MAKES_MOJO := h2o==3.46.0.7 pandas
COMPILE := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-formats lint format bench ui docs layers lock venv clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo $(VENV)/.page ## Judge a model of real flights, end to end, and write a report
	$(BIN)/assay demo flights

test: $(VENV)/.dev $(VENV)/.page ## The everyday tests, doctests and documents, with coverage
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term --durations=10

test-slow: $(VENV)/.dev $(VENV)/.page ## The tests marked slow
	$(BIN)/python -m pytest -n $(WORKERS) -m slow --durations=20

test-formats: $(FORMATS)/.made ## The tests of heavy frameworks and their page in docs (some gigabytes, and Java to make PMML and MOJO files)
	$(FORMATS)/main/bin/python -m tests.formats.matrix

lint: $(VENV)/.dev ## Style, likely mistakes, and types
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev ## Mend what the linter can mend (lines are broken by people)
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## Run every benchmark, or one: make bench AREA=name
	@set -e; for each in $(if $(AREA),bench/$(AREA).py,$(sort $(wildcard bench/[a-z]*.py))); do \
		echo "== $$each"; $(BIN)/python $$each; done

ui: $(VENV)/.build ## Build the page of HTML reports from ui/, if it is not up to date
	$(BIN)/python hatch_build.py

docs: $(VENV)/.dev ## Build the documentation site from docs/ into site/
	$(BIN)/python -m mkdocs build --strict --quiet

layers: $(VENV)/.dev ## Print which package imports which, as it is in the source
	@$(BIN)/python -m tests.structure.picture

lock: ## Compile requirements/ anew (needs uv; for maintainers)
	$(COMPILE) $(EXTRAS:%=--extra %) --group dev --output-file requirements/dev.txt
	$(COMPILE) --extra demo --group build --constraint requirements/dev.txt --output-file requirements/demo.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--group build --constraint requirements/dev.txt --output-file requirements/build.txt

venv: $(VENV)/.dev $(VENV)/.page ## Only set up .venv with everything for development

clean: ## Remove .venv and everything that tools leave behind
	rm -rf ui/node_modules src/assay/report/static
	rm -rf $(VENV) $(FORMATS) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov build dist site .demo
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp says that an installation finished; one that is newer than what it was made from is left alone.
$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "assay needs Python 3.11, 3.12 or 3.13 with its venv module; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c '$(SUPPORTED)' || { echo "$(PYTHON) cannot be used: assay needs Python 3.11, 3.12 or 3.13 with its venv module" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.build: requirements/build.txt $(VENV)/.made
	$(PIP) --require-hashes --requirement requirements/build.txt
	@touch $@

# Where npm cannot be reached the rest still works, and the tests of the page say why they are skipped; `make ui` insists.
$(VENV)/.page: hatch_build.py $(filter-out ui/node_modules,$(wildcard ui/* ui/src/* ui/src/*/*)) $(VENV)/.build
	$(BIN)/python hatch_build.py --if-possible
	@if test -f src/assay/report/static/report.html; then touch $@; fi

$(VENV)/.dev: requirements/dev.txt pyproject.toml $(VENV)/.build
	$(PIP) --no-build-isolation --require-hashes --requirement requirements/dev.txt
	$(PIP) --no-build-isolation --no-deps --editable .
	@touch $(VENV)/.demo $@

$(FORMATS)/.made: requirements/dev.txt pyproject.toml $(VENV)/.made
	$(PYTHON) -m venv $(FORMATS)/main
	$(FORMATS)/main/bin/python -m pip install --quiet --require-hashes --requirement requirements/build.txt
	$(FORMATS)/main/bin/python -m pip install --quiet --no-build-isolation --require-hashes --requirement requirements/dev.txt
	$(FORMATS)/main/bin/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	$(FORMATS)/main/bin/python -m pip install --quiet $(FRAMEWORKS)
	$(PYTHON) -m venv $(FORMATS)/pmml
	$(FORMATS)/pmml/bin/python -m pip install --quiet $(MAKES_PMML)
	$(PYTHON) -m venv $(FORMATS)/mojo
	$(FORMATS)/mojo/bin/python -m pip install --quiet $(MAKES_MOJO)
	@touch $@

$(VENV)/.demo: requirements/demo.txt pyproject.toml $(VENV)/.build
	$(PIP) --no-build-isolation --require-hashes --requirement requirements/demo.txt
	$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@
