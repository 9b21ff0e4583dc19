"""The gateway: one address for everybody, `/services/p2m/`. A service that the hub runs beside itself.

Knows the hub's REST API and a user server's URLs; knows no spawner, no engine and no password.
"""
