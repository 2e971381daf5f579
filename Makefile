# Every command of the project. Recipes use relative paths only, so the checkout may lie anywhere, in "a folder" too.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# Nothing is written outside this folder and the cache folder.
export SEEKSTACK_CACHE ?= $(if $(patsubst /%,,$(firstword $(XDG_CACHE_HOME) .)),$(or $(HOME),$(shell echo ~))/.cache,$(XDG_CACHE_HOME))/seekstack
export PYTHON

SETUP := .venv/.seekstack-setup
RUFF := .venv/bin/ruff
PYTEST := .venv/bin/python -m pytest
# Two workers; tests that share daemons stay on one of them (tests/conftest.py).
JOBS ?= 2
PARALLEL := -n $(JOBS) --dist loadgroup --no-loadscope-reorder

# A setup made elsewhere (a copied checkout) or whose Python is gone counts as none. Where all is well this costs 3 ms.
SETUP_HOLDS := $(shell [ "$$(cat $(SETUP) 2>/dev/null)" = "$$(pwd -P)" ] && [ -x .venv/bin/python ] && echo yes)

.PHONY: help setup demo tools test unit lint format coverage bench clean FORCE

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: $(SETUP) ## Install uv where it is missing, and the locked packages into .venv

$(SETUP): pyproject.toml uv.lock scripts/bootstrap.sh $(if $(SETUP_HOLDS),,FORCE)
	@scripts/bootstrap.sh

demo: export MODEL := $(value MODEL)
demo: $(SETUP) ## Bare machine to a finished pulumi up in the sandbox; MODEL=7B chooses the model, KEEP=1 leaves it running
	@.venv/bin/seekstack demo $(if $(value MODEL),--model="$$MODEL") $(if $(filter-out 0 no false,$(KEEP)),--keep)

tools: $(SETUP) ## Build or fetch the engine and the cluster's programs into the cache folder
	@.venv/bin/python scripts/build_tools.py

test: lint tools ## Lint, then every offline test, the real engine included; ARGS="-k name" selects
	@$(PYTEST) $(PARALLEL) $(ARGS)

unit: $(SETUP) ## The tests without input or output (seconds)
	@$(PYTEST) tests/unit $(ARGS)

lint: $(SETUP) ## ruff, mypy --strict, and checks of YAML, templates and shell scripts
	@$(RUFF) check
	@$(RUFF) format --check
	@.venv/bin/mypy
	@.venv/bin/python scripts/lint_files.py

format: $(SETUP) ## Format the code and mend what ruff can mend
	@$(RUFF) check --fix --exit-zero
	@$(RUFF) format

coverage: tools ## Branch coverage of every offline test: at least 95 % in all, 100 % in the pure packages
	@$(PYTEST) $(PARALLEL) --cov --cov-branch --cov-report= $(ARGS)
	@.venv/bin/coverage report --fail-under=95
	@.venv/bin/coverage report --include='k8s/*,node/*,infra/sizing/*,infra/units.py,infra/settings.py' --fail-under=100

bench: $(SETUP) ## Print the numbers of benchmarks/ (no test is timed)
	@for file in benchmarks/bench_*.py; do [ -e "$$file" ] || continue; echo "== $$file"; PYTHONPATH=. .venv/bin/python "$$file"; done

clean: ## Stop the sandbox and remove what setup, tests and demo made here; the cache folder stays
	@[ ! -d .seekstack ] || [ ! -x .venv/bin/seekstack ] || .venv/bin/seekstack sandbox down
	@rm -rf .venv .tools .seekstack .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@printf 'kept: %s\n' "$$SEEKSTACK_CACHE"
