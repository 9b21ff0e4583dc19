"""``blender-swarm``: users' Blenders as services of a Docker Swarm."""
