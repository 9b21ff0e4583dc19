"""Steps from each version of our tables to the next: alembic's, one folder for each group of tables.

A new step is a file in the folder, with the one before as its ``down_revision``; its name becomes ``head`` in
`p2m_spawner.schema`. There is no way back: who returns to an older version restores the backup.
"""
