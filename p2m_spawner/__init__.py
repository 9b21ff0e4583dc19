"""A JupyterHub spawner that gives every user their own Blender."""
