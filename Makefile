# make run    install what is missing, start the server, print its address
# make test   install what is missing (a browser too), run every test
# make check  lint, format and types
# make data train evaluate benchmark traces   rebuild what is committed: see README
VENV ?= .venv
PYTHON ?= python3
# The CPU build of PyTorch is enough; set TORCH="torch --index-url ..." for another one.
TORCH ?= torch==2.13.0
PY := $(VENV)/bin/python
export OMP_WAIT_POLICY = passive

.PHONY: run test check format data train evaluate benchmark traces browser clean

run: $(VENV)/.run
	$(PY) -m app

test: $(VENV)/.dev browser
	$(PY) -m pytest

check: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(VENV)/.dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

data: $(VENV)/.all
	$(PY) -m models data images
	$(PY) -m models data molecules
	$(PY) -m models data proteins
	$(PY) -m models data library

train: $(VENV)/.all
	$(PY) -m models train all

evaluate: $(VENV)/.all
	$(PY) -m models evaluate

benchmark: $(VENV)/.run
	$(PY) -m benchmarks.stage

traces: $(VENV)/.run
	$(PY) -m app.record --out static/traces

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch first and by itself: its index may differ from everybody else's.
$(VENV)/.run: pyproject.toml hatch_build.py | $(VENV)/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(PY) -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

$(VENV)/.all: $(VENV)/.dev
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[dev,data,evaluate]"
	touch $@

# Chromium for the browser tests: the machine's own, else Debian's package, else Playwright's build.
browser: $(VENV)/.dev
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } || \
	  $(PY) -m playwright install chromium

clean:
	rm -rf $(VENV) static/vendor .pytest_cache .mypy_cache .ruff_cache
