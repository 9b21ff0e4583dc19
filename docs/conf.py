"""How Sphinx makes these pages; `make docs` runs it. Nothing is fetched, neither now nor by who reads them.

The theme is furo: one style sheet and one small script of its own, no font and no library from elsewhere, readable on a
phone and in the dark, and kept by a maintainer of pip. pydata-sphinx-theme brings Bootstrap and Font Awesome for
navigation bars that thirty pages do not need.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS.parent), str(DOCS.parent / "singleuser_image")]

project = "p2m-spawner"
author = "the p2m-spawner authors"
project_copyright = author
html_title = "p2m-spawner"

extensions = ["myst_parser", "sphinx_copybutton", "sphinx_design", "generated_reference"]
exclude_patterns = ["_ext", "_build"]
nitpicky = True
smartquotes = False

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

# What a reader copies is the commands, without the prompt and without what they print.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_logo = "../p2m_spawner/static/logo.svg"
html_favicon = "../p2m_spawner/static/favicon.svg"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
