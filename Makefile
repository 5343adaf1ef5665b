# Everything here needs python3 (3.11 or newer) and make; `make setup` brings the rest into .venv.

PYTHON ?= python3
BIN := .venv/bin
UV := .tools/bin/uv
WORKERS ?= 2

# .venv is up to date when its stamp holds this: what is to be installed, and where
KEY := $(shell (cat requirements/dev.txt requirements/tools.txt pyproject.toml 2>/dev/null; echo "$(CURDIR)") | cksum | tr ' ' '-')
# a PYTHON asked for by name is obeyed even when a working .venv on another one is there
ASKED := $(if $(filter file default,$(origin PYTHON)),,$(PYTHON))

.DEFAULT_GOAL := help
.PHONY: setup demo test lint bench bench-stats docs lock clean help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

VERSION_OF = -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])'

setup: ## make .venv with everything in it, and build the example agent's versions
	@if ! { [ "$$(cat .venv/.ready 2>/dev/null)" = "$(KEY)" ] && have=$$($(BIN)/python $(VERSION_OF) 2>/dev/null) \
	    && { [ -z "$(ASKED)" ] || [ "$$have" = "$$($(PYTHON) $(VERSION_OF) 2>/dev/null)" ]; }; }; \
	then $(MAKE) --no-print-directory install; fi
	@$(BIN)/python examples/coach-companion/build.py > /dev/null

.PHONY: install check-python uv-venv pip-venv

# uv first, because it is several times faster; pip does the same from the same hashes when uv cannot be had.
# The stamp is written last, so that whatever stops half-way is simply done again.
install: check-python
	@rm -f .venv/.ready
	@$(MAKE) --no-print-directory uv-venv || { \
	    echo "setup: going on with pip instead of uv (slower, the same packages)"; \
	    $(MAKE) --no-print-directory pip-venv; }
	@echo "$(KEY)" > .venv/.ready
	@echo "setup: .venv is ready"

check-python:
	@found=$$($(PYTHON) $(VERSION_OF) 2>/dev/null) || found=; \
	if [ -z "$$found" ]; then what="not a Python that runs"; \
	elif ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then what="Python $$found"; \
	else exit 0; fi; \
	echo "setup: headgate needs Python 3.11 or newer, and '$(PYTHON)' is $$what." >&2; \
	echo "setup: point at another like this: make setup PYTHON=python3.12" >&2; \
	exit 1

# uv does not read pip's settings: an index named there is handed on, and pip's own find-links play no part in it.
uv-venv: $(UV)
	@set -e; \
	index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null || true)}}; \
	if [ -n "$$index" ]; then UV_DEFAULT_INDEX=$$index; export UV_DEFAULT_INDEX; fi; \
	if [ "$$($(BIN)/python $(VERSION_OF) 2>/dev/null)" != "$$($(PYTHON) $(VERSION_OF))" ]; then \
	    $(UV) venv -q --clear --no-python-downloads --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv; fi; \
	$(UV) pip sync -q --python $(BIN)/python --require-hashes requirements/dev.txt; \
	$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation --editable .

pip-venv:
	@set -e; \
	if [ "$$($(BIN)/python $(VERSION_OF) 2>/dev/null)" != "$$($(PYTHON) $(VERSION_OF))" ] \
	    || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    rm -rf .venv; \
	    $(PYTHON) -m venv .venv || { \
	        echo "setup: '$(PYTHON) -m venv' does not work; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; fi; \
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: --no-compile \
	    --require-hashes -r requirements/dev.txt; \
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --editable .

$(UV): requirements/tools.txt
	@$(PYTHON) -m pip install -q --disable-pip-version-check --no-user --upgrade --target .tools --only-binary :all: \
	    --require-hashes -r requirements/tools.txt 2>.tools.log || { \
	    echo "setup: uv could not be installed: $$(grep -E 'ERROR|No module' .tools.log | tail -1)"; rm -f .tools.log; exit 1; }
	@rm -f .tools.log
	@touch $(UV)

demo: setup ## release Coach Companion on this machine, and see a bad version taken back
	@$(BIN)/python examples/coach-companion/demo.py

test: setup ## run the whole suite
	@$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder

lint: setup ## style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure what the documents claim
	@$(BIN)/python -m benchmarks

bench-stats: setup ## the judge and its peers on the same simulated rollouts, against the information bound (ARGS=--quick)
	@$(BIN)/python -m benchmarks.decisions $(ARGS)

docs: setup ## renew the pages that are generated from the code
	@$(BIN)/python tools/make_docs.py

# hashes and versions, and no address: they install from any index that serves the same files
EXPORT = $(UV) export -q --locked --no-emit-project --no-header --format requirements-txt

lock: $(UV) ## renew requirements/*.txt at the newest versions that pyproject.toml allows
	$(UV) lock -q --upgrade
	$(EXPORT) --all-extras --group dev -o requirements/dev.txt > /dev/null
	$(EXPORT) --no-dev -o requirements/runtime.txt > /dev/null
	echo "uv==0.13.9" | $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate - -o requirements/tools.txt > /dev/null

clean: ## remove .venv, the tools and every cache
	rm -rf .venv .tools build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
