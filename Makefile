# The door of the project: every target sets up what it needs first. Only Python >= 3.11, make and git are expected.
#
#   make demo ARGS=--once        what follows ARGS= goes to the command
#   make test ARGS="-k breach"
#   make PYTHON=python3.12 test  another Python than the first suitable one on the path

PYTHON ?= $(shell sh scripts/find_python.sh)
# One more than there are processors, since many tests wait for a database; at most four: each worker runs one, and perhaps a browser.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n > 3 ? 4 : n + 1)))
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help python venv assets chromium demo test check lint bench requirements lock clean

help: ## What can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "cad_bridge needs Python 3.11 or later; '$(PYTHON)' is none. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
	  exit 1; }

venv: python ## Build .venv from requirements-dev.lock (redone when the lock changes)
	@$(PYTHON) scripts/set_up_venv.py

assets: venv ## Install the board's front-end packages from package-lock.json
	@$(BIN)/python scripts/install_assets.py

chromium:
	@sh scripts/ensure_chromium.sh

demo: venv assets ## Play a scripted shift and stay up (ARGS=--once: end with a summary)
	@$(BIN)/cad-bridge demo $(ARGS)

test: venv assets chromium ## Set everything up and run the tests
	@$(PYTEST) $(ARGS)

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy scripts
	$(BIN)/lint-imports --no-logo

check: lint assets chromium ## All that CI runs: linters, types, import contracts, then the tests
	$(PYTEST) $(ARGS)

bench: venv assets ## Run the benchmarks (they print ratios, they fail nothing)
	@$(BIN)/python -m benchmarks $(ARGS)

requirements: venv ## Write docs/requirements.md anew from the marks on the tests
	@$(BIN)/python scripts/make_requirements_page.py

lock: venv ## Renew the lock files (ARGS=--upgrade: to the newest versions)
	@$(BIN)/python scripts/lock.py $(ARGS)

clean: ## Remove all that was built or installed here; the data in .cad-bridge/ stays
	rm -rf $(VENV) node_modules cad_bridge/web/board/static/vendor build dist test-results *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
