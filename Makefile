# spiritsafe: what can be done here. Two commands set up all they need on a bare Debian 12: `make demo`, `make test`.
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak docs setup lock clean

BIN := .venv/bin
# Larger public data sets, where somebody has put them beside this checkout: only bench and soak look there.
SHARED := $(abspath $(wildcard ../shared/data))
HEAVY := SPIRITSAFE_SHARED_DATA="$(SHARED)" SPARK_LOCAL_IP=127.0.0.1 nice -n 5

help: ## say what can be done
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: ## compose labelled traffic, scan it, and say where the report is
	@scripts/setup.sh demo
	@scripts/demo.sh

test: ## set up, check, and run every test that does not take minutes
	@scripts/setup.sh test
	@$(MAKE) check
	@$(BIN)/python -m pytest --doctest-modules src tests -m "not soak" -n 2 --dist loadfile --no-loadscope-reorder --durations=10 $(ARGS)

check: ## lint, format, types, import order, generated pages
	@scripts/setup.sh test
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/docs.py --check

bench: ## run the benchmarks and write their tables (ARGS=speed/scan for one)
	@scripts/setup.sh test
	@$(HEAVY) $(BIN)/python scripts/bench.py $(ARGS)

soak: ## the tests that take minutes: chaos, load, many seeds, new random examples
	@scripts/setup.sh test
	@$(HEAVY) $(BIN)/python -m pytest -m "soak or hypothesis" --hypothesis-profile=soak --durations=10 $(ARGS)

docs: ## write the generated pages again and check every link
	@scripts/setup.sh test
	$(BIN)/python scripts/docs.py
	$(BIN)/python -m pytest -q tests/house/test_docs_pages.py

setup: ## install all that demo and test need
	@scripts/setup.sh test

lock: ## write the lock files again (ARGS=--upgrade for newer versions)
	@scripts/setup.sh test
	@scripts/lock.sh $(ARGS)

clean: ## remove what was built; the environments stay (rm -rf .venv .venvs for those)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
