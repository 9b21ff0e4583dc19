"""What the authors of MCP test servers with: the conformance suites and the inspector, against ours."""
