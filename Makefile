# The same few verbs on a laptop and in CI. Every target sets up what it needs: an environment in
# .venv from requirements.lock, made by uv where uv is found, else by plain venv and pip. The lock is
# complete, so nothing is resolved: pip would look at newer releases, which have no hash in it.
#
#   make build-split CONFIG=configs/mirror.yaml MIRROR=../tables OUT=build/release STATE=.opendare
#   make build-split SET="seed=1 gates.not_constant.largest_share=0.95"    settings, without blanks in a value
#   make test PYTHON=/path/to/python3.12        another interpreter, 3.11 to 3.13, for a new .venv

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: build-split test check bench golden docs lock clean help

ROOMS := extract transform validate publish flows
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV ?= uv

# Values reach the shell through the environment and are quoted there, so that any path works.
export CONFIG MIRROR OUT STATE SET PYTHON UV
export UV_PYTHON_DOWNLOADS := never
export UV_COMPILE_BYTECODE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Without compiled bytecode every start would take seconds; foreign paths would shadow the lock.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV

# make itself ends with 2 whatever fails below it; exit codes 2 and 3 are told apart by the message.
build-split: $(STAMP) ## build a release; takes CONFIG= MIRROR= OUT= STATE= SET=
	@set -f; for setting in $$SET; do set -- "$$@" --set "$$setting"; done; \
	exec $(BIN)/opendare build $${CONFIG:+--config "$$CONFIG"} $${MIRROR:+--mirror "$$MIRROR"} \
	    $${OUT:+--out "$$OUT"} $${STATE:+--state "$$STATE"} "$$@"

test: $(STAMP) ## run all tests, the fast ones first
	@$(BIN)/python -m pytest -q -n 2 -m "not slow"
	@$(BIN)/python -m pytest -q -n 2 -m slow --durations 10

check: $(STAMP) ## format, lint, strict types; prints the sizes of functions and modules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m tests.sizes

bench: $(STAMP) ## time the builds and the workers; takes MIRROR=
	@$(BIN)/python tests/bench/bench.py $${MIRROR:+--mirror "$$MIRROR"}

golden: $(STAMP) ## rewrite tests/golden and print the difference
	@$(BIN)/python -m pytest -q --rewrite-golden

docs: $(STAMP) ## write docs/settings.md from the settings
	@$(BIN)/python docs/settings_page.py

lock: ## resolve pyproject.toml anew into requirements.lock (needs uv)
	@"$$UV" pip compile pyproject.toml --extra dev --generate-hashes --no-annotate --no-header \
	    --universal --python-version 3.11 --quiet -o requirements.lock

clean: ## remove build/ and all caches; .venv and .opendare stay
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name .git -prune -o -path ./$(VENV) -prune -o -name __pycache__ -print0 \
	    | xargs -0 rm -rf

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile \
	    | while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

# A version manager's shim may exist for an interpreter that does not, so candidates are run. A .venv
# without its stamp is half made and begun anew.
$(STAMP): requirements.lock pyproject.toml
	@if "$$UV" --version >/dev/null 2>&1; then uv=1 needs=sys; else uv= needs=ensurepip; fi; \
	candidates=$${PYTHON:-python3.13 python3.12 python3.11 python3}; \
	probe="import sys, $$needs; sys.version_info >= (3, 11) and print(sys.executable)"; \
	for name in $$candidates; do \
	    python=$$($$name -c "$$probe" 2>/dev/null) && [ -n "$$python" ] && break; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "OpenDARE needs Python 3.11 to 3.13 with its venv module; none works among:" \
	        "$$candidates. Name another: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	    exit 1; \
	fi; \
	if [ -f $@ ]; then echo "bringing $(VENV) up to date" >&2; \
	else echo "setting up $(VENV) with $$python (once; a minute or two)" >&2; fi; \
	set -e; \
	if [ -n "$$uv" ]; then \
	    [ -f $@ ] || "$$UV" venv --quiet --clear --python "$$python" $(VENV); \
	    install() { "$$UV" pip install --quiet --python $(BIN)/python "$$@"; }; \
	else \
	    [ -f $@ ] && $(BIN)/python -m pip --version >/dev/null 2>&1 \
	        || "$$python" -m venv --clear $(VENV); \
	    install() { $(BIN)/python -m pip install -qq "$$@"; }; \
	fi; \
	install --require-hashes --no-deps -r requirements.lock; \
	install --no-deps --no-build-isolation -e .; \
	$(BIN)/python -m compileall -q $(ROOMS); \
	touch $@
