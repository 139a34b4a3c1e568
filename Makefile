# make run    install what is missing, start the server, print its address
# make test   install what is missing (a browser too), run every test
# make check  lint, format, types, and known flaws of the installed packages
# make fuzz   10 000 random and malformed requests; make soak  30 minutes at full load
# make page   weight, first paint and frame times of the page in Chromium
# make bench  a class at our engine, at one run at a time, and at Gradio; make cluster  two replicas
# make data train evaluate benchmark traces animation   rebuild what is committed: see README
VENV ?= .venv
PYTHON ?= python3
# The CPU build of PyTorch is enough; set TORCH="torch --index-url ..." for another one.
TORCH ?= torch==2.13.0
PY := $(VENV)/bin/python
export OMP_WAIT_POLICY = passive

# Test files side by side. Playwright keeps an event loop running in its process, so the browser's tests
# have processes of their own.
WORKERS ?= 2

.PHONY: run test check fuzz soak page bench cluster redis format data train evaluate benchmark traces browser clean

run: $(VENV)/.run
	$(PY) -m app

test: $(VENV)/.scale browser redis
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --ignore=tests/browser
	$(PY) -m pytest -n $(WORKERS) --dist loadfile tests/browser

check: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) tests/audit.py

# More than 10 000 random and malformed requests: from the OpenAPI document, bodies for every pipeline with
# branches of branches, and raw bytes.
fuzz: $(VENV)/.dev
	FUZZ_EXAMPLES=$(or $(EXAMPLES),400) $(PY) -m pytest --timeout 3600 -s -q tests/faults/test_schema.py tests/faults/test_bodies.py tests/faults/test_page_fuzz.py tests/faults/test_connections.py

# Half an hour at full load; MINUTES=3 for a short one.
soak: $(VENV)/.run
	$(PY) -m benchmarks.soak --minutes $(or $(MINUTES),30)

# What a visit weighs and how smoothly it moves; rewrites its part of docs/benchmarks.md.
page: $(VENV)/.dev browser
	$(PY) -m benchmarks.page

# Prints the table of docs/benchmarks.md and rewrites it. Gradio and diffusers get an environment of
# their own beside ours, which they only read.
BENCH := $(VENV)/benchmarks
bench: $(VENV)/.bench
	$(PY) -m benchmarks.classroom --gradio-python $(BENCH)/bin/python

$(VENV)/.bench: benchmarks/requirements.txt | $(VENV)/.run
	$(PY) -m venv $(BENCH)
	$(PY) -c "import sysconfig; print(sysconfig.get_path('purelib'))" > \
	  "$$($(BENCH)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/application.pth"
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	touch $@

# Two engine processes with one thread each and a front, on this machine.
cluster: $(VENV)/.scale
	TWOFOLD_THREADS=$(or $(THREADS),1) $(PY) -m app.cluster

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

# The README's picture and film, from a real browser on a real server.
animation: browser
	$(PY) -m benchmarks.animation

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

$(VENV)/.scale: $(VENV)/.dev
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[dev,scale]"
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

# A real Redis for the tests of several fronts; without one they are skipped and say so.
redis:
	@command -v redis-server >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null; } || \
	  echo "no redis-server: the tests of several fronts are skipped"

clean:
	rm -rf $(VENV) static/vendor .pytest_cache .mypy_cache .ruff_cache
