"""The hub's configuration, one topic a file. Each has ``configure(c, settings)``; jupyterhub_config.py calls them."""
