# SPDX-License-Identifier: GPL-2.0-or-later
"""Sphinx configuration of the manual; meson builds it where sphinx-build is found."""
import importlib.util
import os

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


def read_qmp_reference(_app, docname, source):
    """interop/qmp-ref is made from the schema."""
    if docname == "interop/qmp-ref":
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir)
        spec = importlib.util.spec_from_file_location("qapi_doc",
                                                      os.path.join(root, "scripts", "qapi-doc.py"))
        qapi_doc = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(qapi_doc)
        source[0] = qapi_doc.reference(os.path.join(root, "qapi", "qapi-schema.json"))


def setup(app):
    app.connect("source-read", read_qmp_reference)
