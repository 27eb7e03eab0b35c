# Two words matter: `make run` starts an installation, `make test` tests everything.

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)) python3)
VENV := .venv
IN_VENV := $(VENV)/bin/python
INSTALL := $(IN_VENV) -m pip install --disable-pip-version-check --progress-bar on
# Checkpoints of the demo model's training.
WORK ?= var/demo-work
MINUTES ?= 60

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test int8 format bench demo-model demo-film demo-evaluate clean

help:
	@echo "make run            install what is needed and start; Ctrl-C stops"
	@echo "                    PORT=8000 HOST=127.0.0.1 VAR_DIR=var can be set before it"
	@echo "make test           install what the tests need and run everything"
	@echo "make int8           install what embeds in 8 bits, 1.7 times as fast (210 MB)"
	@echo "make format         format the code and sort out what the linter can repair"
	@echo "make bench          measure speed and memory"
	@echo "make demo-film      draw the demo film anew"
	@echo "make demo-model     train the demo model anew: WORK=folder MINUTES=60"
	@echo "make demo-evaluate  measure how well the demo model searches"
	@echo "make clean          remove .venv and what tools have left; never your films in var/"

run: $(VENV)/.run-installed
	@exec $(IN_VENV) -m imgsearch.local

test:
	@.ci/system-packages
	@$(MAKE) --no-print-directory $(VENV)/.dev-installed
	@exec .ci/check

int8: $(VENV)/.int8-installed

format: $(VENV)/.dev-installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.run-installed
	@exec $(IN_VENV) -m benchmarks

demo-model: $(VENV)/.dev-installed
	@mkdir -p $(WORK)
	@exec $(IN_VENV) -m demo.train --work $(WORK) --out demo/model --minutes $(MINUTES)

demo-film: $(VENV)/.dev-installed
	@exec $(IN_VENV) -m demo.film

demo-evaluate: $(VENV)/.dev-installed
	@exec $(IN_VENV) -m demo.evaluate

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment; an interrupted installation leaves no stamp and is taken up again ---

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not. Name another one: PYTHON=/path/to/python3.12 make run" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu type: sudo apt-get install -y python3-venv" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run-installed: requirements.txt | $(VENV)/.made
	@echo "Installing requirements.txt into $(VENV): Django, Celery, PyTorch, Redis and others."
	@echo "This takes some minutes and happens only once."
	@$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.int8-installed: requirements-int8.txt | $(VENV)/.run-installed
	@$(INSTALL) --no-deps -r requirements-int8.txt
	@touch $@

$(VENV)/.dev-installed: requirements.txt requirements-dev.txt requirements-int8.txt | $(VENV)/.made
	@echo "Installing requirements.txt and requirements-dev.txt into $(VENV): the product and its tests."
	@echo "This takes some minutes and happens only once."
	@$(INSTALL) -r requirements-dev.txt
	@$(INSTALL) --no-deps -r requirements-int8.txt
	@touch $(VENV)/.run-installed $(VENV)/.int8-installed $@
