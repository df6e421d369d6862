.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"
CLUSTER_EXISTS := kind get clusters 2>/dev/null | grep -qx api-network

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.venv/run: requirements/client.txt requirements/backend.txt requirements/run.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; choose one with PYTHON=…" if sys.version_info < (3, 11) else 0)'
	@echo "Installing what both services need into .venv"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes $(addprefix -r ,$^)
	touch $@

.venv/run-%: requirements/backend-%.txt .venv/run # what a logic needs beyond hello
	@echo "Installing what $* needs into .venv"
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

.venv/dev: requirements/dev.txt .venv/run
	@echo "Installing what tests and tools need into .venv: about a minute"
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

# Half a gigabyte, so only on demand: for the tests against a language model's server.
.venv/llm-server: requirements/llm-server.txt .venv/dev
	@echo "Installing a language model's server into $@: half a gigabyte"
	$(BIN)/uv venv --quiet --clear --seed --python $(BIN)/python $@
	$@/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/llm-server.txt

run: .venv/run $(patsubst %,.venv/run-%,$(filter database llm,$(LOGIC))) ## Serve both on localhost and reload edits, until Ctrl-C (PORT=8083: another port)
	@$(BIN)/python run.py

test: .venv/dev ## Run every test that needs no Docker
	$(BIN)/pytest tests --ignore tests/e2e -m "not full"

bench: .venv/run ## Measure this pair beside its usual alternatives (BENCH="--rounds 2 --seconds 2": quickly)
	@$(BIN)/python -m bench.run $(BENCH)

bench-cluster: .venv/dev cluster ## Measure the pair on the kind cluster (BENCH="--times 3 --rounds 1": quickly)
	@$(BIN)/python -m bench.cluster $(BENCH)

e2e: .venv/dev cluster ## Test the pair on the kind cluster, which is made if missing
	$(BIN)/pytest tests/e2e --timeout 900 -m "not full"

e2e-full: .venv/dev cluster ## Run every test, with every case, and write tests/results.md (long)
	$(BIN)/pytest tests --timeout 900

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

zones: .venv/dev ## Rebuild the table of time zones from the locked tz database
	$(BIN)/python -m tools.time_zones > backend/logic/database/time_zones.tsv

lock: ## Lock the newest allowed dependencies, with hashes
	test -x $(BIN)/uv || $(MAKE) .venv/dev
	$(LOCK) --upgrade --group dev -o requirements/dev.txt
	for group in client backend backend-database backend-llm run; do \
		$(LOCK) --upgrade --group $$group --constraints requirements/dev.txt -o requirements/$$group.txt || exit; \
	done
	$(LOCK) --upgrade --group llm-server -o requirements/llm-server.txt
	for peer in flask gunicorn httpx aiohttp; do \
		$(LOCK) --upgrade --group bench-$$peer -o bench/requirements/$$peer.txt || exit; \
	done

.PHONY: help run test bench bench-cluster e2e e2e-full cluster dev down lint audit format zones lock
