#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the reference of QMP, in reStructuredText, from a schema in QAPI's language and the
comments in it.

A comment between two lines "##" belongs to the definition that follows it: "# @Name:", paragraphs,
"# @member: text" with more indented lines, and "# Features:" with more such members.

Usage: qapi-doc.py SCHEMA    writes to standard output"""

import importlib.util
import os
import re
import sys

MEMBER = re.compile(r"^@([\w-]+): ?(.*)$")
NAME = re.compile(r"@([\w-]+)")


def load_generator():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "qapi-gen.py")
    spec = importlib.util.spec_from_file_location("qapi_gen", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Comment:
    """Paragraphs, and the texts of members and features by name."""

    def __init__(self, lines):
        self.paragraphs, self.members = [], {}
        target = None
        for line in lines[1:]:
            match = MEMBER.match(line)
            if match:
                target = match.group(1)
                self.members[target] = match.group(2)
            elif target and line.startswith(" "):
                self.members[target] += " " + line.strip()
            elif line and line != "Features:":
                target = None
                if not self.paragraphs or self.paragraphs[-1] is None:
                    self.paragraphs.append("")
                self.paragraphs[-1] = (self.paragraphs[-1] + " " + line).strip()
            elif self.paragraphs and self.paragraphs[-1] is not None:
                self.paragraphs.append(None)
        self.paragraphs = [p for p in self.paragraphs if p]


def comments(directory):
    """{name: Comment} of all files of a schema."""
    found = {}
    for name in sorted(os.listdir(directory)):
        if not name.endswith(".json"):
            continue
        with open(os.path.join(directory, name), encoding="ascii") as f:
            for block in re.findall(r"^##\n(.*?)^##\n", f.read(), re.M | re.S):
                lines = [line[2:] if line.startswith("# ") else line[1:]
                         for line in block.splitlines()]
                match = MEMBER.match(lines[0]) if lines else None
                if match:
                    found[match.group(1)] = Comment(lines)
    return found


def markup(text):
    return NAME.sub(r"``\1``", text.replace("*", r"\*").replace("|", r"\|"))


def type_name(t):
    return f"list of {type_name(t[0])}" if isinstance(t, list) else f"``{t}``"


def heading(out, text, mark):
    out += [text, mark * len(text), ""]


def list_members(out, rows, comment):
    for name, kind in rows:
        text = markup(comment.members.get(name, "").strip())
        out.append(f"* ``{name}``{kind}" + (f": {text}" if text else ""))
    if rows:
        out.append("")


def members_of(e):
    return [(name,
             f" ({type_name(t)}{', optional' if optional else ''})")
            for name, t, optional in e.get("members") or []]


def describe(out, schema, e, comment):
    heading(out, e["name"], "-")
    for paragraph in comment.paragraphs:
        out += [markup(paragraph), ""]
    if e["kind"] == "enum":
        list_members(out, [(value, "") for value in e["values"]], comment)
    elif e["kind"] in ("command", "event"):
        arguments = e.get("arguments")
        if isinstance(arguments, str) and arguments in schema.types:
            rows = members_of(schema.types[arguments])
            if rows and not arguments.startswith("q_"):
                out += [f"Arguments: as {type_name(arguments)}.", ""]
            else:
                list_members(out, rows, comment)
        if e.get("returns"):
            out += [f"Returns {type_name(e['returns'])}.", ""]
    else:
        list_members(out, members_of(e), comment)
    if e["kind"] == "union":
        for value, variant in sorted(e["data"].items()):
            out += [f"With ``{e['discriminator']}`` ``{value}`` also the members of "
                    f"{type_name(variant)}.", ""]
    if e.get("features"):
        out += ["Features:", ""]
        list_members(out, [(name, "") for name in e["features"]], comment)


def reference(path):
    schema = load_generator().Schema(path)
    texts = comments(os.path.dirname(os.path.abspath(path)))
    own = [e for e in schema.types.values() if not e["name"].startswith("q_")]
    out = []
    heading(out, "QMP reference", "=")
    out += ["All commands, events and types of the monitor protocol, from the schema in ``qapi/``.",
            ""]
    for title, definitions in (("Commands", schema.commands), ("Events", schema.events),
                               ("Types", own)):
        heading(out, title, "~")
        for e in sorted(definitions, key=lambda e: e["name"].lower()):
            describe(out, schema, e, texts.get(e["name"], Comment([""])))
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.stdout.write(reference(sys.argv[1]))
