# `make` says what there is. Settings come from the environment: P2M_PORT, P2M_STATE … (hub_config/settings.py).
SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# What takes longest comes first, so that all processes end at about the same time.
TESTS := tests/lifecycle tests/faults tests/security tests/e2e tests/gateway tests/addon tests/image tests/plugin tests/conformance tests/deploy tests/notebook tests/docs tests/hub tests/unit

.DEFAULT_GOAL := help
.PHONY: help up down test docs pictures tools bench image addon lint

help:  ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up:  ## Set everything up and run the hub in the foreground (http://127.0.0.1:8000); Ctrl-C stops it
	@deploy/engine
	@deploy/environment
	@deploy/hub check
	@singleuser_image/build
	@deploy/hub up

down:  ## Stop the hub and all user containers; their volumes stay
	@deploy/hub down

test:  ## Install what the tests need, check the code, run all tests
	@deploy/engine
	@deploy/environment test
	@singleuser_image/build
	@deploy/lint
	@echo "==> tests: $(TESTS), two files at a time"
	@pytest --durations=15 -m "not alone" -n 2 --no-loadscope-reorder $(TESTS)
	@echo "==> tests: those that need the machine for themselves"
	@pytest --durations=5 -m alone $$(grep -rl --include="test_*.py" "mark\.alone" tests)

docs:  ## Build the documentation into docs/_build/html; a warning is an error
	@deploy/environment test
	@sphinx-build -W --keep-going -q docs docs/_build/html && echo "==> docs: docs/_build/html/index.html"

pictures:  ## Take the pictures of README and docs anew, into docs/img
	@P2M_TEST_PICTURES=1 pytest -q tests/e2e/test_browser.py tests/e2e/test_lab.py tests/e2e/test_profiles.py tests/gateway/test_oauth_clients.py \
	  tests/gateway/test_connect_page.py tests/gateway/test_sessions_page.py

tools:  ## Write docs/tools.md anew, from the MCP server itself
	@text=$$(PYTHONPATH=singleuser_image python -m p2m_singleuser.mcp_server.describe) && echo "$$text" > docs/tools.md

bench:  ## Measure beside stock DockerSpawner and upstream's add-on, and write docs/performance.md anew
	@deploy/environment test
	@python -m bench

image:  ## Build the user image
	@deploy/engine
	@singleuser_image/build

addon:  ## Build the Blender extension into dist/
	@addon/build

lint:  ## Format, types, imports, shell scripts, scripts of pages, Dockerfile
	@deploy/environment test
	@deploy/lint
