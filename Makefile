.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"
LOGICS := $(patsubst backend/logic/%/requirements.txt,%,$(wildcard backend/logic/*/requirements.txt))
SERVERS := $(patsubst backend/logic/%/tests/server.txt,%,$(wildcard backend/logic/*/tests/server.txt))
TRACING := $(if $(OTEL_EXPORTER_OTLP_ENDPOINT),.venv/tracing)
CLUSTER_EXISTS := kind get clusters 2>/dev/null | grep -qx api-network

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.venv/run: requirements/client.txt requirements/backend.txt requirements/run.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; choose one with PYTHON=…" if sys.version_info < (3, 11) else 0)'
	@echo "Installing what both services need into .venv"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes $(addprefix -r ,$^)
	touch $@

.venv/run-%: backend/logic/%/requirements.txt .venv/run # what a logic needs beyond hello
	@echo "Installing what $* needs into .venv"
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

.venv/tracing: requirements/tracing.txt .venv/run # what sends traces
	@echo "Installing what sends traces into .venv"
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

.venv/dev: requirements/dev.txt .venv/run
	@echo "Installing what tests and tools need into .venv: about a minute"
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

# A server that a logic's tests call, apart from all else. It can be half a gigabyte, so only on demand.
.venv/%-server: backend/logic/%/tests/server.txt .venv/dev
	@echo "Installing a server for the tests of $* into $@"
	$(BIN)/uv venv --quiet --clear --seed --python $(BIN)/python $@
	$@/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<

servers: $(SERVERS:%=.venv/%-server) ## Install the servers that tests of logics call, which they are skipped without

run: .venv/run $(patsubst %,.venv/run-%,$(filter $(LOGICS),$(LOGIC))) $(TRACING) ## Serve both on localhost and reload edits, until Ctrl-C (PORT=8083: another port)
	@$(BIN)/python run.py

# Four processes also on two cores, since tests wait more than they compute.
test: .venv/dev ## Run every test that needs no Docker
	$(BIN)/pytest tests backend --ignore-glob "*/e2e" -m "not full" --numprocesses 4 --dist loadfile

screenshot: .venv/dev ## Take the README's picture of the page (needs Chromium)
	@$(BIN)/python -m tests.page.screenshot docs/page.png >/dev/null

bench: .venv/run ## Measure this pair beside its usual alternatives (BENCH="--rounds 2 --seconds 2": quickly)
	@$(BIN)/python -m bench.run $(BENCH)

bench-data: .venv/dev ## Measure the logic `database` beside datasette (BENCH="--calls 10": quickly)
	@$(BIN)/python -m bench.data $(BENCH)

bench-cluster: .venv/dev cluster ## Measure the pair on the kind cluster (BENCH="--times 3 --rounds 1": quickly)
	@$(BIN)/python -m bench.cluster $(BENCH)

e2e: .venv/dev cluster ## Test the pair on the kind cluster, which is made if missing
	$(BIN)/pytest tests/e2e $(wildcard backend/logic/*/tests/e2e) --timeout 900 -m "not full"

e2e-full: .venv/dev cluster ## Run every test, with every case, and write tests/results.md (long; E2E="-k drain": some)
	$(BIN)/pytest tests backend --timeout 900 --keep $(E2E)

cluster: ## Make a kind cluster and run the pair on it
	@$(CLUSTER_EXISTS) || kind create cluster --config kind-config.yaml
	skaffold run
	@echo
	@echo "Reach the client at http://localhost:8082 with:"
	@echo "  kubectl --context kind-api-network --namespace api-network port-forward service/client 8082"

dev: ## Develop on the cluster: an edit is live without an image build; Ctrl-C cleans up
	@$(CLUSTER_EXISTS) || kind create cluster --config kind-config.yaml
	skaffold dev --port-forward --trigger polling --watch-poll-interval 100

down: ## Delete the kind cluster
	kind delete cluster --name api-network

lint: .venv/dev ## Check style, types and workflows; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/zizmor --quiet --offline .github

audit: .venv/dev ## Look for known vulnerabilities in what is locked
	$(BIN)/pip-audit --strict --require-hashes -r requirements/dev.txt

format: .venv/dev ## Rewrite the code in the house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: ## Lock the newest allowed dependencies, with hashes
	test -x $(BIN)/uv || $(MAKE) .venv/dev
	$(LOCK) --upgrade --group dev -o requirements/dev.txt
	for group in client backend run tracing; do \
		$(LOCK) --upgrade --group $$group --constraints requirements/dev.txt -o requirements/$$group.txt || exit; \
	done
	for logic in $(LOGICS); do \
		$(LOCK) --upgrade --group backend-$$logic --constraints requirements/dev.txt \
			-o backend/logic/$$logic/requirements.txt || exit; \
	done
	for logic in $(SERVERS); do \
		$(LOCK) --upgrade --group $$logic-server -o backend/logic/$$logic/tests/server.txt || exit; \
	done
	for peer in flask gunicorn httpx aiohttp datasette; do \
		$(LOCK) --upgrade --group bench-$$peer -o bench/requirements/$$peer.txt || exit; \
	done

.PHONY: help servers run test screenshot bench bench-data bench-cluster e2e e2e-full cluster dev down lint audit format lock

include $(wildcard backend/logic/*/Makefile)
