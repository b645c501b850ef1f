# The developer's front door. Needs make and a Python from 3.11 on; everything else goes into .venv, nothing outside it.

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-newest test-oldest soak lint audit pins fmt sample-data bench clean
MAKEFLAGS += --no-print-directory

# Which Python makes .venv: PYTHON=... if given, else the first of these that is new enough.
PYTHON ?=
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python)
# How the tests run: `make test PYTEST_ARGS="-k schedules"`. Many wait for a server or a kill, so that three at once suit two cores.
PYTEST_ARGS ?= -n 3
# How many times as many histories, kills and spoiled inputs the soak has as the tests: `make soak SOAK=10`.
SOAK ?= 50
# How many profiles the benchmarks use: `make bench BENCH_N=100000`.
BENCH_N ?= 1000000

# Which releases `make pins` takes: the newest, or with `make pins PINS=keep` those of before where they still fit.
PINS ?= newest

BIN := .venv/bin
PIP_INSTALL := -m pip install -qq --disable-pip-version-check
# What requirements/*.txt pins, and then the checkout: it is built by the pinned hatchling, not by one that pip fetches.
PINNED := $(PIP_INSTALL) --require-hashes --requirement
CHECKOUT := $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
EXTRAS := dev,s3,azure,gcs,sftp,pgp,kinesis,event_hubs

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: .venv/.installed  ## tell the whole story on sample data, in muster-demo/
	@rm -rf muster-demo
	@$(BIN)/muster demo muster-demo

test: .venv/.installed-dev .venv/.servers  ## run the tests
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-fast: .venv/.installed-dev .venv/.servers  ## run the tests that are quick, between two edits
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -m "not slow"

test-newest: .venv/.installed-dev .venv/.servers  ## run the tests with the newest releases that pyproject.toml allows
	@echo "installing the newest releases into .venv/newest"
	@$(BIN)/python -m venv --clear .venv/newest
	@.venv/newest/bin/python $(PIP_INSTALL) --editable '.[$(EXTRAS)]'
	@ln -s ../azurite ../csv-parse ../rhea .venv/newest
	@.venv/newest/bin/python -m pytest $(PYTEST_ARGS)

test-oldest: .venv/.installed-dev .venv/.servers  ## run the tests with the oldest releases that pyproject.toml allows
	@echo "installing the oldest releases into .venv/oldest"
	@$(BIN)/python -m venv --clear .venv/oldest
	@.venv/oldest/bin/python $(PINNED) requirements/oldest.txt
	@.venv/oldest/bin/python $(CHECKOUT)
	@ln -s ../azurite ../csv-parse ../rhea .venv/oldest
	@.venv/oldest/bin/python -m pytest $(PYTEST_ARGS)

soak: .venv/.installed-dev .venv/.servers  ## many more random histories, kills and spoiled inputs than the tests have; takes an hour or two
	@MUSTER_SOAK=$(SOAK) $(BIN)/python -m pytest $(PYTEST_ARGS) -rP tests/crashes/test_kills.py tests/crashes/test_s3_kills.py tests/crashes/test_source_kills.py tests/crashes/test_overlap.py tests/crashes/test_message_kills.py tests/crashes/test_outbox_kills.py tests/stories/test_fuzz.py tests/stories/test_canaries.py tests/crashes/test_sftp_kills.py
	@MUSTER_SOAK=$(SOAK) $(BIN)/python -m pytest $(PYTEST_ARGS) tests/histories/test_replayed_histories.py tests/histories/test_against_model.py tests/histories/test_source_worlds.py tests/histories/test_message_worlds.py tests/activation/outbox/test_random_courses.py

lint: .venv/.installed-dev  ## check style, formatting and types; changes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

audit: .venv/.created  ## ask about known vulnerabilities of what is pinned, where the network allows it
	@.ci/audit

pins: .venv/.tools  ## pin what make installs anew, in requirements/
	@.ci/pins $(PINS)

fmt: .venv/.installed-dev  ## format the code and repair what can be repaired
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

sample-data: .venv/.installed  ## make the sample data again (sample_data/make.py)
	@$(BIN)/python -m muster.sample_data.make

bench: .venv/.installed-bench  ## measure everything, and write docs/performance.md; takes hours at BENCH_N=1000000
	@$(BIN)/python -m benchmarks all --profiles $(BENCH_N)

clean:  ## remove everything that make made, .venv too
	@rm -rf .venv muster-demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say what .venv holds; they are older than the files of which they are made when these changed.
.venv/.installed: requirements/demo.txt pyproject.toml hatch_build.py .venv/.created
	@echo "installing muster into .venv"
	@$(BIN)/python $(PINNED) requirements/demo.txt
	@$(BIN)/python $(CHECKOUT)
	@touch $@

.venv/.installed-dev: requirements/dev.txt pyproject.toml hatch_build.py .venv/.created
	@echo "installing muster and its development tools into .venv"
	@$(BIN)/python $(PINNED) requirements/dev.txt
	@$(BIN)/python $(CHECKOUT)
	@touch .venv/.installed $@

.venv/.installed-bench: requirements/bench.txt pyproject.toml hatch_build.py .venv/.created
	@echo "installing muster and what it is measured with into .venv"
	@$(BIN)/python $(PINNED) requirements/bench.txt
	@$(BIN)/python $(CHECKOUT)
	@touch .venv/.installed $@

# What make runs beside the project has a virtual environment of its own: it decides nothing about what muster meets.
.venv/.tools: requirements/tools.txt .venv/.created
	@$(BIN)/python -m venv --clear .venv/tools
	@.venv/tools/bin/python $(PINNED) requirements/tools.txt || { rm -rf .venv/tools; exit 1; }
	@touch $@

# What tests talk to and no Python package brings: sshd, nginx, gpg, PostgreSQL and others from Debian, Azurite, rhea and csv-parse from npm.
.venv/.servers: .ci/programs .ci/servers .venv/.created
	@.ci/programs
	@.ci/servers
	@touch $@

# A stamp of its own, which holds the Python's name: .venv is made again when its making was interrupted, when its Python was
# removed, and when PYTHON names another one.
FITS := $(shell [ -x $(BIN)/python ] && { [ -z "$(PYTHON)" ] || [ "$(PYTHON)" = "$$(cat .venv/.created 2>/dev/null)" ]; } && echo yes)
.venv/.created: $(if $(FITS),,again)
	@found=; lacking=; \
	for python in $(CANDIDATES); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	  if "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then found="$$python"; break; fi; \
	  lacking="$${lacking:-$$python}"; \
	done; \
	if [ -z "$$found" ] && [ -n "$$lacking" ]; then \
	  version=$$("$$lacking" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "make: $$lacking has no venv module with pip." >&2; \
	  echo "make: On Debian and Ubuntu: apt-get install python$$version-venv; or name another Python: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	if [ -z "$$found" ]; then \
	  echo "make: no Python 3.11 or newer among: $(CANDIDATES)" >&2; \
	  echo "make: install one, or say where it is: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	echo "making .venv with $$("$$found" --version)"; \
	"$$found" -m venv --clear .venv && echo "$$found" >$@

.PHONY: again
again:
