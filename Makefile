# Everything is set up by the targets themselves: `make test` and `make demo` work in a checkout on a fresh Debian with python3, git and
# make. As root they install Debian packages; on a machine that is not for development that is refused (.ci/debian-packages).
VENV   := .venv
PY     := $(VENV)/bin/python
PYTEST := $(PY) -m pytest -n 3 --dist worksteal
READY  := $(VENV)/.ready
SOURCE := distd redistrib agentsim loadtests tests
BENCHES := bench-breakdown bench-bandwidth bench-fairness bench-build bench-upload bench-mirror bench-simulate bench-model \
    bench-load bench-packages bench-search bench-store bench-catalogue bench-transfer bench-events bench-kills \
    bench-deployments bench-groups bench-console bench-rollout

# Hundreds of programs are started, which all import the same modules: compiled once, not each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help test test-slow-machine coverage mutants quick lint types layers audit demo screenshots bench attack loadtest fuzz \
    conformance reference texts state-machine setup debian lock clean $(BENCHES)

help:            ## this list
	@grep -hE '^[a-z-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 28

test: setup lint types layers   ## everything that must hold before a change lands
	$(PYTEST)

test-slow-machine: setup  ## all tests beside a busy loop on every core: none may depend on the machine's speed
	sh .ci/busy-cores $(PYTEST) --timeout 1200

coverage: setup  ## all tests, and how many branches they take (of processes that they start too); may not fall
	$(PYTEST) --timeout 1200 --cov --cov-report=term:skip-covered

mutants: $(READY)  ## small changes to the source: do the tests notice? (an hour at the most; ARGS="--minutes 20 redistrib/sync.py")
	$(PY) -m tests.mutants $(ARGS)

quick: $(READY)  ## the tests that start no program, so on SQLite alone
	$(PYTEST) -m "not programs"

lint: $(READY)   ## ruff
	$(VENV)/bin/ruff check $(SOURCE)
	$(VENV)/bin/ruff format --check $(SOURCE)

types: $(READY)  ## mypy
	$(VENV)/bin/mypy

layers: $(READY) ## which room may import which
	$(VENV)/bin/lint-imports --no-cache

demo: setup      ## a site with 300 emulated computers and its console, until Ctrl-C (ARGS=--once: a package to a native and a stock agent)
	$(PY) -m loadtests.demo $(ARGS)

screenshots: setup  ## pictures of the console, of the demo's site, for README and guide (2 minutes)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.screenshots

bench-transfer: setup  ## fragments beside nginx and Apache, some 40 minutes (ARGS=--quick: 4; ARGS=--readme: into README.md)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.transfer $(ARGS)

bench-packages: setup  ## fragments at random out of 200 packages, beside nginx (3 minutes)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.many_packages $(ARGS)

bench-bandwidth: setup  ## how exactly bandwidth.rules is kept (2 minutes)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.bandwidth

bench-fairness: setup  ## what 10,000 idle, 5,000 sudden and 2,000 silent connections cost other requests (3 minutes)
	$(PY) -m loadtests.fairness

bench-breakdown: setup  ## the CPU time of each part of a request
	$(PY) -m loadtests.breakdown

bench-build: setup  ## building, checking and verifying packages beside MD5 and SHA-256 (12 minutes; ARGS="--size-mib 256": 2)
	$(PY) -m loadtests.build $(ARGS)

bench-store: setup  ## what quota and clean-up cost in a store of 10,000 fragments, beside reading all of it (20 seconds)
	$(PY) -m loadtests.store $(ARGS)

bench-events: setup  ## 50 event streams on both databases: CPU, delay; what the order of events costs on PostgreSQL (4 minutes)
	$(PY) -m loadtests.event_streams $(ARGS)

bench-kills: setup  ## a server is killed 100 times under load on PostgreSQL, and 100 on SQLite: nothing is lost (20 minutes)
	$(PY) -m loadtests.kills $(ARGS)

bench-catalogue: setup  ## contacts, inventories, results, lists, searches on SQLite and PostgreSQL (25 minutes; ARGS="--searched 0": 5)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.catalogue $(ARGS)

bench-groups: setup  ## what 200 dynamic groups cost inventories and contacts, at 100,000 computers (6 minutes)
	$(PY) -m loadtests.groups $(ARGS)

bench-search: setup  ## searching 100,000 computers with 8 million rows of software, beside OCS's tables on MariaDB (20 minutes)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.search $(ARGS)

bench-rollout: setup  ## a roll-out to 2,000 agents halts, goes on, ends, beside 300 kills of server and agents (10 minutes)
	$(PY) -m loadtests.rollout $(ARGS)

bench-deployments: setup  ## assigning to 50,000 computers, a package of 100,000, counters beside counting (1 minute)
	$(PY) -m loadtests.deployments $(ARGS)

bench-console: setup  ## the console's pages at 100,000 computers: CPU, weight, 50 that stay open (10 minutes)
	$(PY) -m loadtests.console $(ARGS)

bench-upload: setup  ## 10 GB by curl to the API: speed, memory, resuming (3 minutes)
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

attack: setup  ## 39 attacks on a server and a mirror, an honest client beside: its p99, their memory (30 minutes; ARGS=--quick: 5)
	$(PY) -m loadtests.attack $(ARGS)

bench: setup  ## all benches (two hours), also after one that misses a goal; each writes its section of loadtests/RESULTS.md
	@$(MAKE) --no-print-directory --keep-going $(BENCHES)

loadtest: setup  ## SCENARIO=class, site, storm, thin-line, mirror-lost, update, soak (an hour), storm-limit or all (ARGS=--small: minutes)
	@sh .ci/debian-packages bench
	$(PY) -m loadtests.scenario $(SCENARIO) $(ARGS)

fuzz: $(READY)   ## all that reads bytes from outside under atheris, for FUZZ_SECONDS (240) in all (ARGS="--target post")
	$(VENV)/bin/pip install --quiet --require-hashes -r loadtests/fuzz-requirements.txt
	$(PY) -m loadtests.fuzz --seconds $(or $(FUZZ_SECONDS),240) $(ARGS)

state-machine: $(READY)  ## groups, assignments and contacts in any order beside a model: 10,000 steps (some 5 minutes)
	DISTD_STATE_MACHINE_STEPS=$(or $(STEPS),10000) $(PY) -m pytest --timeout 3600 tests/origin/groups/test_membership_in_any_order.py

conformance: $(READY)    ## each route of the API asked some 50 times, rightly and wrongly (EXAMPLES=50, some 15 minutes)
	DISTD_CONFORMANCE_EXAMPLES=$(or $(EXAMPLES),50) $(PY) -m pytest --timeout 7200 tests/web/api/test_openapi_conformance.py

audit:           ## known vulnerabilities of what requirements.txt pins; needs pypi.org (docs/contributing.md)
	@test -x .audit/bin/pip-audit || { python3 -m venv .audit && \
	    .audit/bin/pip install --quiet --disable-pip-version-check --require-hashes -r .ci/audit-requirements.txt; }
	.audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.txt

texts: $(READY)  ## bring the French texts of the console up to date with its source: new ones are there to be translated
	$(PY) -m tests.web.console.texts

reference: $(READY)  ## what distd/docs has from the code: the reference, the picture of the rooms
	$(PY) -m tests.docs.reference

setup: debian $(READY)   ## the virtual environment; as root also Debian packages: stock OCS agent, nginx, squid, curl, iproute2, faketime, postgresql, chromium

debian:
	@sh .ci/debian-packages

$(READY): requirements.txt pyproject.toml
	@sh .ci/virtual-environment $(VENV)
	@touch $@

lock: $(READY)   ## requirements.txt, and a server's part of it, again from pyproject.toml (needs uv on the PATH)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --constraint requirements.txt \
	    --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --output-file distd/deploy/requirements.txt

clean:           ## remove what the targets made
	rm -rf $(VENV) .audit .coverage .coverage.* .demo .fuzz .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
