# Needs Python 3.10-3.13 with venv, and make; the rest comes from the package registry, pinned in constraints*.txt.

.SHELLFLAGS := -eu -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

VENV        := .venv
BENCH_VENV  := .venv-bench
BIN         := $(VENV)/bin
COMMA       := ,
CELLS       ?=
WORKERS     ?= 2
PYTEST_ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# A PYTHON that was asked for is the only candidate; otherwise the first suitable one.
ifeq ($(origin PYTHON),undefined)
  PYTHON     := python3
  CANDIDATES := python3 python3.12 python3.11 python3.13 python3.10
else
  CANDIDATES := $(PYTHON)
endif
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

# $(call install,directory,extras): a virtual environment with this project, editable, and its extras
define install
@python=; \
for candidate in $(CANDIDATES); do \
  if "$$candidate" -c '$(SUITABLE)' >/dev/null 2>&1; then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
  echo "No Python 3.10 to 3.13 with the venv module among: $(CANDIDATES)." >&2; \
  echo "Install one (on Debian also python3-venv) or name one: make PYTHON=/path/to/python3.12 ..." >&2; \
  exit 1; \
fi; \
echo "Installing into $(1) with $$("$$python" -V); a minute or so on the first run."; \
"$$python" -m venv $(1); \
$(1)/bin/python -m pip install -qq -e '.[$(2)]' -c constraints.txt; \
$(1)/bin/python -m compileall -q provider; \
touch $(1)/.installed
endef

.PHONY: help
help: ## this list
	@echo "make <target>, one of:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1            \2/; s/^(  .{12}) */\1/'

.PHONY: demo
demo: $(VENV)/.installed ## a real DAG run for the three clouds against a local store that verifies every signature
	@$(BIN)/python -m tests.demo

.PHONY: airflow
airflow: $(VENV)/.installed ## the same, with the Airflow UI left open until Ctrl-C
	@$(BIN)/python -m tests.demo --serve

.PHONY: test
test: $(VENV)/.installed ## all tests; WORKERS=2, PYTEST_ARGS="-k name"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

.PHONY: test-matrix
test-matrix: $(VENV)/.installed ## its Airflow part on the oldest and newest Airflow and Python; CELLS="py310-airflow31"
	@$(BIN)/python -m tests.matrix $(CELLS) --workers $(WORKERS) --pytest="$(PYTEST_ARGS)" --write

.PHONY: screenshots
screenshots: $(VENV)/.installed ## the pictures of the documentation, by the tests of the UI, into docs/images
	@SCREENSHOTS=1 $(BIN)/python -m pytest -q tests/ui/test_connection_form.py tests/ui/test_task_pages.py

.PHONY: check
check: lint types imports docs ## everything that is checked without running the code

.PHONY: lint
lint: $(VENV)/.installed ## ruff, rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.installed ## mypy --strict
	@$(BIN)/mypy --strict provider/

.PHONY: imports
imports: $(VENV)/.installed ## the floors: imports only go down
	@$(BIN)/lint-imports

.PHONY: docs
docs: $(VENV)/.installed ## the documentation, warnings as errors, into docs/_build/html
	@$(BIN)/sphinx-build -n -W --keep-going -q -b html docs docs/_build/html
	@echo "Documentation: docs/_build/html/index.html"

.PHONY: format
format: $(VENV)/.installed ## ruff rewrites what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(BENCH_VENV)/.installed ## speed and import cost beside the vendors' SDKs and Airflow's own providers
	@$(BENCH_VENV)/bin/python -m tests.benchmarks

.PHONY: wheel
wheel: $(VENV)/.installed ## the wheel, into dist/
	@$(BIN)/python -m pip --quiet wheel --no-deps --wheel-dir dist .

RESOLVE := .venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 \
  --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml

.PHONY: constraints
constraints: ## resolve constraints*.txt again, for every supported Python at once
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install -qq uv
	@$(RESOLVE) --all-extras -o constraints.txt
	@echo 'apache-airflow~=3.1.0' | $(RESOLVE) --extra test - -o constraints-airflow31.txt
	@rm -rf .venv-lock

.PHONY: clean
clean: ## remove everything the targets made
	@rm -rf $(VENV) $(BENCH_VENV) .venv-matrix .venv-lock build dist docs/_build docs/api \
	  .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find provider tests dags docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,$(VENV),dev)

$(BENCH_VENV)/.installed: pyproject.toml constraints.txt
	$(call install,$(BENCH_VENV),bench$(COMMA)test)
