"""Which image the tests use: what `singleuser_image/build` made, under the name that it made it."""

import os

IMAGE = os.environ.get("P2M_TEST_IMAGE") or "p2m/blender-singleuser:latest"
