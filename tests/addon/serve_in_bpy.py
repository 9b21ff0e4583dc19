"""Serves the add-on from Blender as a Python module, until SIGTERM: run by test_bpy_wheel.py.

The interpreter is that of the `bpy` wheel's environment, with the folder `addon` on its path; sockets and addresses
come from the add-on's environment variables.
"""

import p2m_blender
from p2m_blender import pump

if __name__ == "__main__":
    p2m_blender.register()
    pump.serve_headless(lambda: None)
