#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The generator refuses what it does not understand, naming the place, and describes types as QMP's
schema does."""

import os
import re
import subprocess
import sys
import tempfile

GENERATOR = sys.argv[1]

# (label, schema, what the error says; None: it is understood)
ROWS = [
    ("empty", "", None),
    ("comments", "##\n# @x:\n##\n{ 'enum': 'A', 'data': [ 'a' ] } # end\n", None),
    ("no-kind", "{ 'data': [] }", "s.json:1: not understood: data"),
    ("unknown-key", "\n{ 'enum': 'A', 'data': [ 'a' ], 'if': 'X' }",
     "s.json:2: not understood: if"),
    ("undefined", "{ 'command': 'c', 'returns': 'Z' }", "s.json:1: type 'Z' is not defined"),
    ("undefined-member", "{ 'struct': 'S', 'data': { 'a': [ 'Z' ] } }", "type 'Z' is not defined"),
    ("twice", "{ 'enum': 'A', 'data': [] }\n{ 'enum': 'A', 'data': [] }",
     "s.json:2: A is defined twice"),
    ("builtin", "{ 'enum': 'int', 'data': [] }", "int is defined twice"),
    ("double-quotes", '{ "enum": 1 }', "s.json:1: cannot read"),
    ("key-twice", "{ 'enum': 'A', 'enum': 'B' }", "is there twice"),
    ("unclosed", "{ 'enum': 'A',\n", "s.json:2: expected"),
    ("number", "{ 'enum': 1 }", "cannot read"),
    ("branch", "{ 'enum': 'K', 'data': [ 'a' ] }\n"
     "{ 'union': 'U', 'base': { 'k': 'K' }, 'discriminator': 'k', 'data': { 'b': 'S' } }",
     "a branch is none of its values"),
    ("discriminator", "{ 'union': 'U', 'base': { 'k': 'str' }, 'discriminator': 'k', 'data': {} }",
     "no enum member"),
]


def generate(directory, schema):
    path = os.path.join(directory, "s.json")
    with open(path, "w", encoding="ascii") as f:
        f.write(schema)
    return subprocess.run([sys.executable, GENERATOR, path, directory], capture_output=True,
                          text=True, check=False)


def check(schema, expected):
    with tempfile.TemporaryDirectory() as directory:
        done = generate(directory, schema)
        assert (done.returncode == 0) == (expected is None), done.stderr
        assert expected is None or expected in done.stderr, done.stderr
        assert "Traceback" not in done.stderr, done.stderr


def check_introspection():
    schema = "{ 'struct': 'S', 'features': [ 'f' ], 'data': { '*a': 'uint8', 'b': [ 'S' ] } }\n{ 'command': 'c', 'data': 'S' }\n"
    with tempfile.TemporaryDirectory() as directory:
        assert generate(directory, schema).returncode == 0
        with open(os.path.join(directory, "qapi-schema.c"), encoding="ascii") as f:
            text = re.sub(r'"\n *"', "", f.read()).replace('\\"', '"')
    assert '{"name": "c", "meta-type": "command", "arg-type": "0", "ret-type": "1"}' in text, text
    assert '{"name": "0", "meta-type": "object", "members": [{"name": "a", "type": "int", "default": null}, ' \
           '{"name": "b", "type": "[0]"}], "features": ["f"]}' in text, text
    assert '{"name": "int", "meta-type": "builtin", "json-type": "int"}' in text, text


def main():
    tests = [(f"/qapi-gen/{label}",
              lambda s=schema, e=expected: check(s, e)) for label, schema, expected in ROWS]
    tests.append(("/qapi-gen/introspection", check_introspection))
    print(f"1..{len(tests)}")
    failed = False
    for number, (name, test) in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} {name}")
        except AssertionError as e:
            failed = True
            print("# " + str(e).replace("\n", "\n# "))
            print(f"not ok {number} {name}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
