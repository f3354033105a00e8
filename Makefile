# Every command a contributor needs. `make` or `make help` explains them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint format types bench docs lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml requirements.lock scripts/bootstrap
	@PYTHON=$(PYTHON) scripts/bootstrap $(VENV)
	@touch $@

install: $(STAMP) ## set up .venv with the locked dependencies

run: $(STAMP) ## run a node with the embedded default (ARGS="--api-port 9000 …")
	$(BIN)/thingplane serve $(ARGS)

test: $(STAMP) ## run linters, type checks and the whole test suite (ARGS="-k shadow …" narrows pytest)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

lint: $(STAMP) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy --strict
	$(BIN)/mypy

format: $(STAMP) ## let ruff format and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## measure the figures of benchmarks/README.md
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(STAMP) ## regenerate the reference, coverage, settings and command pages
	$(BIN)/python -m thingplane.cli docs docs/reference

lock: $(STAMP) ## pin the newest allowed versions of all dependencies
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --upgrade \
	  --python-version 3.11 --group dev pyproject.toml -o requirements.lock

clean: ## remove what the other commands made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache dist
