"""Serves the add-on from Blender as a Python module, where Blender's timers never fire: run by test_bpy_wheel.py.

Usage: ``python serve_in_bpy.py DIR``: listens on ``DIR/blender.sock`` until SIGTERM, with this file's Python of the
`bpy` wheel and the folder `addon` on its path.
"""

import sys
import time
from pathlib import Path

import p2m_blender
from p2m_blender import pump

TURN_S = 0.002


def main() -> None:
    """Register the add-on as Blender does, then be its main loop."""
    p2m_blender.register()
    settings = pump.Settings(tcp_port=0, runtime_dir=Path(sys.argv[1]))
    pump.BlenderServer(pump.table, pump.main_thread, settings).start()
    while True:
        pump.main_thread.run_pending()
        time.sleep(TURN_S)


if __name__ == "__main__":
    main()
