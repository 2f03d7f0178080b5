# The front door. Needs Python 3.11+, pip and make; each target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SPACE := $(VENV)/.installed
TESTS ?= tests
# Tests write thousands of small databases; where memory can hold them (4 GB free) they need not wait for a disk.
RAM := $(shell [ -w /dev/shm ] && [ "$$(df -k --output=avail /dev/shm | tail -1)" -gt 4000000 ] && echo /dev/shm)
PYTEST := $(if $(RAM),TMPDIR=$(RAM)) $(BIN)/python -m pytest $(TESTS) -n 3 --dist loadscope

# The platform is many short processes: each would compile it anew where this is set.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all newest-client lint format bench docs clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(SPACE)-run ## Run the whole chain on real data and keep the platform open (CHECK=1: then stop)
	$(BIN)/python scripts/demo.py $(if $(CHECK),--check)

test: $(SPACE)-dev system ## Run the tests, as CI does
	$(PYTEST) -m "not long" --durations=15

test-all: $(SPACE)-dev system ## Run everything: long matrices, soaks and fuzzers too; clients on both stores
	THOLOS_TEST_FUZZ_ROUNDS=100 THOLOS_TEST_BUCKETS=1 $(PYTEST) --durations=15; first=$$?; \
	THOLOS_TEST_PLATFORM=buckets $(PYTEST) --durations=15 && exit $$first

newest-client: $(SPACE)-dev system ## Check today's release of huggingface_hub against this server
	THOLOS_TEST_NEWEST_CLIENT=1 $(BIN)/python -m pytest tests/wire/conformance -k newest_release -rP -q

lint: $(SPACE)-dev ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(SPACE)-dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(SPACE)-dev ## Measure speed and size; writes docs/results/benchmarks.md
	$(BIN)/python benchmarks/run.py

docs: $(SPACE)-dev ## Write what is made from the code: reference pages, the SDK's sync half and error codes
	$(BIN)/python scripts/generate_reference.py
	$(BIN)/python scripts/generate_cli_reference.py
	$(BIN)/python scripts/generate_sdk_errors.py
	$(BIN)/python scripts/generate_sync_client.py

clean: ## Remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage* .import_linter_cache

.PHONY: system
system:
	@scripts/install_system_packages.sh bubblewrap chromium git git-lfs postgresql

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(SPACE)-run: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[server,samples]'
	@touch $@

$(SPACE)-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[server,samples,postgres,s3,dev]'
	@touch $@ $(SPACE)-run
