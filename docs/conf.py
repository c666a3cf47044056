# SPDX-License-Identifier: GPL-2.0-or-later
"""Sphinx configuration of the manual; meson builds it where sphinx-build is found."""
project = "qemu-tdx"
author = "the authors of qemu-tdx"
copyright = author  # pylint: disable=redefined-builtin
exclude_patterns = ["man"]
html_theme = "alabaster"
html_show_sphinx = False
html_copy_source = False
highlight_language = "none"
smartquotes = False
nitpicky = True
