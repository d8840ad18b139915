# Everything is set up by the targets themselves: `make test` and `make demo` work on a fresh Debian with python3, git and make.
VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
SOURCE := distd redistrib agentsim loadtests tests
BENCHES := bench-breakdown bench-bandwidth bench-fairness bench-build bench-upload bench-mirror bench-simulate bench-model \
    bench-load bench-transfer

.PHONY: help test quick lint types layers demo bench loadtest fuzz reference setup debian lock clean $(BENCHES)

help:            ## this list
	@grep -hE '^[a-z-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

test: setup lint types layers   ## everything that must hold before a change lands
	$(PY) -m pytest -n 3 --dist worksteal

quick: $(READY)  ## the tests that need no other program
	$(PY) -m pytest -n 3 --dist worksteal tests/domain tests/wire tests/simulation tests/storage tests/packaging tests/catalogue tests/lane tests/origin \
	    tests/agentsim tests/redistrib

lint: $(READY)   ## ruff
	$(VENV)/bin/ruff check $(SOURCE)
	$(VENV)/bin/ruff format --check $(SOURCE)

types: $(READY)  ## mypy
	$(VENV)/bin/mypy

layers: $(READY) ## the arrows of the house
	$(VENV)/bin/lint-imports --no-cache

demo: setup      ## deploy a real package to a native and a stock agent on this machine
	$(PY) -m loadtests.demo

bench-transfer: setup  ## fragments beside nginx and Apache, some 40 minutes (ARGS=--quick: 4; ARGS=--readme: into README.md)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.transfer $(ARGS)

bench-bandwidth: setup  ## how exactly bandwidth.rules is kept (2 minutes)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.bandwidth

bench-fairness: setup  ## what 10,000 idle, 5,000 sudden and 2,000 silent connections cost the others (3 minutes)
	$(PY) -m loadtests.fairness

bench-breakdown: setup  ## where the microseconds of a request go
	$(PY) -m loadtests.breakdown

bench-build: setup  ## building, checking and verifying packages beside MD5 and SHA-256 (12 minutes; ARGS="--size-mib 256": 2)
	$(PY) -m loadtests.build $(ARGS)

bench-upload: setup  ## 10 GB by curl to the API: speed, memory, going on after a cut (3 minutes)
	$(PY) -m loadtests.upload $(ARGS)

bench-mirror: setup  ## packages to mirrors beside curl, 200 mirrors that follow, 500 agents at a cold one (5 minutes)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.mirrors $(ARGS)

bench-simulate: setup  ## simulations of 1,000,000 and 10,000,000 agents, plans (2 minutes)
	$(PY) -m loadtests.simulation $(ARGS)

bench-model: setup  ## 2,000 agents beside their simulation, the schedulers beside the stock agent's log (4 minutes)
	$(PY) -m loadtests.model $(ARGS)

bench-load: setup  ## what emulating agents costs: 40,000 requests a second, 100,000 agents (15 minutes)
	$(PY) -m loadtests.fleet $(ARGS)

bench: setup  ## all, some two hours, to the end even where one misses a goal; each writes its part of loadtests/RESULTS.md
	@$(MAKE) --no-print-directory --keep-going $(BENCHES)

loadtest: setup  ## SCENARIO=class, site, storm, thin-line, mirror-lost, update, soak (an hour) or all (ARGS=--small: minutes)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.scenario $(SCENARIO) $(ARGS)

fuzz: $(READY)   ## the parser of request heads under atheris, for FUZZ_SECONDS (120)
	$(VENV)/bin/pip install --quiet --require-hashes -r loadtests/fuzz-requirements.txt
	$(PY) -m loadtests.fuzz_head --seconds $(or $(FUZZ_SECONDS),120)

reference: $(READY)  ## what distd/docs has from the code: the reference, the picture of the rooms
	$(PY) -m tests.docs.reference

setup: debian $(READY)   ## Debian packages (as root) and the virtual environment

debian:
	@sh .ci/debian-packages

$(READY): requirements.txt pyproject.toml
	@sh .ci/virtual-environment $(VENV)
	@touch $@

lock: $(READY)   ## requirements.txt, and a server's part of it, anew from pyproject.toml (needs uv on the PATH)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --constraint requirements.txt \
	    --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --output-file distd/deploy/requirements.txt

clean:           ## what the targets made
	rm -rf $(VENV) .demo .fuzz .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
