# `make` says what there is. Settings come from the environment: P2M_PORT, P2M_STATE … (hub_config/settings.py).
SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# One after the other: two processors are what a Blender and a Chromium need, and each container that others start
# changes the network under them.
TESTS := tests/unit tests/deploy tests/hub tests/conformance tests/addon tests/image tests/e2e

.DEFAULT_GOAL := help
.PHONY: help up down test pictures tools bench image addon lint

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
	@echo "==> tests: $(TESTS)"
	@pytest --durations=15 $(TESTS)

pictures:  ## Take the README's pictures anew, into docs/img
	@P2M_TEST_PICTURES=1 pytest -q tests/e2e/test_browser.py tests/gateway/test_oauth_clients.py tests/gateway/test_connect_page.py \
	  tests/gateway/test_sessions_page.py

tools:  ## Write docs/tools.md anew, from the MCP server itself
	@text=$$(PYTHONPATH=singleuser_image python -m p2m_singleuser.mcp_server.describe) && echo "$$text" > docs/tools.md

bench:  ## Start beside stock DockerSpawner, round trips beside upstream's add-on, what the one MCP address costs
	@python -m bench.spawn
	@python -m bench.roundtrip
	@python -m bench.gateway_latency

image:  ## Build the user image
	@deploy/engine
	@singleuser_image/build

addon:  ## Build the Blender extension into dist/
	@addon/build

lint:  ## Format, types, imports, shell scripts, Dockerfile
	@deploy/environment test
	@deploy/lint
