# make demo | make test | make check: each sets up .venv by itself.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8501
PY := $(VENV)/bin/python
KEY := $(shell cat requirements.txt pyproject.toml | sha256sum | cut -c1-16)
READY := $(VENV)/.ready-$(KEY)
DEMO := data/runs/.demo-ready

# Where real data lie beside the checkout, tests and studies find them.
ifeq ($(OPSIGHT_DATA),)
ifneq ($(wildcard ../shared/data),)
export OPSIGHT_DATA := $(abspath ../shared/data)
endif
endif
# The checkout's own code comes first, also when VENV is shared between checkouts.
export PYTHONPATH := $(CURDIR)

.PHONY: help install demo dashboard test check clean

help:
	@echo "make demo     install, simulate patients, run the quick study, open the dashboard on 127.0.0.1:$(PORT)"
	@echo "make test     install and run every test that needs no GPU and no network"
	@echo "make check    format, lint, types, import rules"

install: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11 to 3.13 is needed; found: $$($(PYTHON) --version). Use: make PYTHON=python3.11 ..."; exit 2; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) \
	  || { echo "No virtual environment could be made. On Debian and Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 2; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || { echo "Installing libgomp1, which LightGBM needs"; \
	  { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq --no-install-recommends libgomp1; } \
	  || { echo "Please install it: sudo apt-get install libgomp1"; exit 2; }; }
	@echo "Installing into $(VENV) (3 to 5 minutes, about 8 GB)"
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@rm -f $(VENV)/.ready-*
	@touch $@

demo: $(READY) $(DEMO) dashboard

$(DEMO): $(READY)
	$(PY) -m core study run core/recipes/phantom.yaml --profile quick
	@mkdir -p $(dir $@) && touch $@

dashboard: $(READY)
	$(VENV)/bin/streamlit run dashboard/app.py --server.port $(PORT)

test: $(READY)
	$(PY) -m pytest -n 2 --dist loadfile -m "not gpu and not nightly"

check: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

clean:
	rm -rf $(VENV) data/runs data/cohorts/*/ .pytest_cache .mypy_cache .ruff_cache
