# SPDX-License-Identifier: GPL-3.0-or-later
"""``blender -b --python serve_headless.py``: serve without a window, until the process ends."""

import p2m_enable  # a startup script: Blender has its directory on the path

p2m_enable.serve_headless()
