"""Accounts of this hub: sign-up, sign-in, approval and passwords. Knows JupyterHub, knows no spawner."""
