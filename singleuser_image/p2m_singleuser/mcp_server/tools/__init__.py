"""The tools, one module a topic; each module has a `Toolset` named ``tools``."""
