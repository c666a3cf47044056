#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes C from a schema in QAPI's language: types and their checks, the command table, events, and
the schema as QMP shows it.

Understood: include, enum, struct (with base), union (base and discriminator), command, event;
optional members ('*name'), arrays (['type']), features (names), boxed, gen (false: the handler
checks the arguments, and takes members beyond the schema's), allow-oob, allow-preconfig. Everything
else is an error that names file and line.

Usage: qapi-gen.py SCHEMA OUTPUT-DIRECTORY    writes qapi-types.h, qapi-types.c, qapi-commands.c,
qapi-schema.c """

import json
import os
import re
import sys

TOKEN = re.compile(r"(?P<space>[ \t\r]+|#[^\n]*)|(?P<newline>\n)|(?P<string>'[^'\\\n]*')|"
                   r"(?P<word>true|false)|(?P<mark>[{}\[\],:])")
TOP_KEYS = {
    "include": set(),
    "enum": {"data", "features"},
    "struct": {"data", "base", "features"},
    "union": {"data", "base", "discriminator", "features"},
    "command": {"data", "returns", "boxed", "gen", "allow-oob", "allow-preconfig", "features"},
    "event": {"data", "boxed", "features"},
}
INTEGERS = {"int": 64, "int8": 8, "int16": 16, "int32": 32, "int64": 64,
            "uint8": -8, "uint16": -16, "uint32": -32, "uint64": -64, "size": -64}
BUILTINS = {"str": "STR", "bool": "BOOL", "number": "NUMBER", "any": "ANY", "null": "NULL",
            **{name: "INT" for name in INTEGERS}}


class SchemaError(Exception):
    pass


class Parser:
    """The expressions of one file; each a dict with '@' = its place."""

    def __init__(self, path):
        self.path, self.line, self.at = path, 1, 0
        with open(path, encoding="ascii") as f:
            self.text = f.read()
        self.next()

    def fail(self, why):
        raise SchemaError(f"{self.path}:{self.line}: {why}")

    def next(self):
        while self.at < len(self.text):
            match = TOKEN.match(self.text, self.at)
            if not match:
                self.fail(f"cannot read {self.text[self.at:self.at + 20]!r}")
            self.at = match.end()
            if match.lastgroup == "newline":
                self.line += 1
            elif match.lastgroup != "space":
                self.kind, self.token = match.lastgroup, match.group()
                return
        self.kind, self.token = "end", ""

    def take(self, token):
        if self.token != token:
            self.fail(f"expected {token!r}, not {self.token!r}")
        self.next()

    def value(self):
        kind, token = self.kind, self.token
        if token == "{":
            return self.mapping()
        if token == "[":
            return self.sequence()
        if kind not in ("string", "word"):
            self.fail(f"expected a value, not {token!r}")
        self.next()
        return token[1:-1] if kind == "string" else token == "true"

    def mapping(self):
        result = {}
        self.take("{")
        while self.token != "}":
            key = self.value()
            if not isinstance(key, str) or key in result:
                self.fail(f"key {key!r} is no string or is there twice")
            self.take(":")
            result[key] = self.value()
            if self.token != "}":
                self.take(",")
        self.next()
        return result

    def sequence(self):
        result = []
        self.take("[")
        while self.token != "]":
            result.append(self.value())
            if self.token != "]":
                self.take(",")
        self.next()
        return result

    def expressions(self):
        while self.kind != "end":
            place = f"{self.path}:{self.line}"
            expression = self.mapping()
            expression["@"] = place
            yield expression


def load(path, seen, result):
    if os.path.realpath(path) in seen:
        return
    seen.add(os.path.realpath(path))
    for expression in Parser(path).expressions():
        kind = next((k for k in TOP_KEYS if k in expression), None)
        unknown = set(expression) - {kind, "@"} - TOP_KEYS.get(kind, set())
        if not kind or unknown:
            raise SchemaError(f"{expression['@']}: not understood: "
                              f"{', '.join(sorted(unknown)) or 'no kind'}")
        if kind == "include":
            load(os.path.join(os.path.dirname(path), expression["include"]), seen, result)
        else:
            expression["kind"], expression["name"] = kind, expression[kind]
            result.append(expression)


class Schema:
    def __init__(self, path):
        self.types, self.commands, self.events = {}, [], []
        expressions = []
        load(path, set(), expressions)
        names = set()
        for e in expressions:
            if e["name"] in names or e["name"] in BUILTINS:
                raise SchemaError(f"{e['@']}: {e['name']} is defined twice")
            names.add(e["name"])
            if e["kind"] in ("command", "event"):
                (self.commands if e["kind"] == "command" else self.events).append(e)
            else:
                self.types[e["name"]] = e
        self.commands.sort(key=lambda e: e["name"])
        for e in expressions:
            self.settle(e)

    def settle(self, e):
        """Checks names; members (with those of the base), arguments and results become uniform."""
        kind, data = e["kind"], e.get("data")
        if kind == "enum":
            e["values"] = data
        elif kind == "struct":
            e["members"] = self.base(e) + self.members(e, data)
        elif kind == "union":
            e["members"] = self.base(e)
            tag = next((m for m in e["members"] if m[0] == e["discriminator"]), None)
            enum = self.types.get(tag[1]) if tag and isinstance(tag[1], str) else None
            if not enum or enum["kind"] != "enum" or set(data) - set(enum["data"]):
                raise SchemaError(f"{e['@']}: the discriminator is no enum member, or a branch is "
                                  f"none of its values")
            for branch in data.values():
                self.check(e, branch)
        else:
            if isinstance(data, dict):
                name = f"q_{e['name']}-arg"
                self.types[name] = {"kind": "struct", "name": name,
                                    "members": self.members(e, data), "@": e["@"]}
                data = name
            e["arguments"] = data
            for t in (data, e.get("returns")):
                if t:
                    self.check(e, t)

    def base(self, e):
        base = e.get("base")
        if isinstance(base, dict):
            return self.members(e, base)
        if not base:
            return []
        parent = self.types[base]
        if "members" not in parent:
            self.settle(parent)
        return parent["members"]

    def members(self, e, data):
        result = []
        for key, value in data.items():
            t = value["type"] if isinstance(value, dict) else value
            self.check(e, t)
            result.append((key.lstrip("*"), t, key.startswith("*")))
        return result

    def check(self, e, t):
        name = t[0] if isinstance(t, list) else t
        if name not in BUILTINS and name not in self.types:
            raise SchemaError(f"{e['@']}: type {name!r} is not defined")


def c_name(text):
    return re.sub(r"[^A-Za-z0-9]", "_", text)


def c_upper(text):
    return c_name(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)).upper()


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def type_symbol(t):
    return f"array_of_{c_name(t[0])}" if isinstance(t, list) else f"type_{c_name(t)}"


def pointer(t):
    return f"&{type_symbol(t)}" if t else "NULL"


class Output:
    def __init__(self, purpose):
        self.lines = ["/* SPDX-License-Identifier: GPL-2.0-or-later */",
                      f"/* {purpose} Generated by scripts/qapi-gen.py. */"]

    def add(self, *lines):
        self.lines += lines

    def write(self, directory, name):
        with open(os.path.join(directory, name), "w", encoding="ascii") as f:
            f.write("\n".join(self.lines) + "\n")


def used_arrays(schema):
    used = {}
    for t in schema.types.values():
        for _, member, _ in t.get("members", []):
            if isinstance(member, list):
                used[member[0]] = member
    for c in schema.commands:
        if isinstance(c.get("returns"), list):
            used[c["returns"][0]] = c["returns"]
    return used.values()


def generate_header(schema, directory):
    out = Output("The schema's enumerations and events.")
    out.add("#ifndef QAPI_TYPES_H", "#define QAPI_TYPES_H", "", '#include "qapi/qapi.h"', "")
    for e in schema.types.values():
        if e["kind"] == "enum":
            prefix = "QAPI_" + c_upper(e["name"])
            out.add(f"typedef enum Qapi{e['name']} {{",
                    *[f"    {prefix}_{c_upper(v)}," for v in e["values"]],
                    f"    {prefix}__MAX", f"}} Qapi{e['name']};",
                    f"extern const char *const qapi_{c_name(e['name'])}_names[]; /* NULL "
                    f"terminated */", "")
    for e in schema.types.values():
        if e["kind"] != "enum" and not e["name"].startswith("q_"):
            out.add(f"extern const QapiType qapi_{c_name(e['name'])};")
    out.add("")
    out.add(*[f"extern const QapiEvent qapi_event_{c_name(e['name'])};" for e in schema.events])
    out.add("extern const QapiEvent *const qapi_events[]; /* NULL terminated */", "")
    for c in schema.commands:
        out.add(f"QapiCommandFn qmp_{c_name(c['name'])};")
    out.add("extern const QapiCommand qapi_commands[]; /* sorted by name; ends with name NULL */",
            "", "#endif")
    out.write(directory, "qapi-types.h")


def add_struct(out, e, definition):
    symbol = c_name(e["name"])
    out.add(f"static const QapiMember members_{symbol}[] = {{",
            *[f"    {{ {c_string(n)}, {pointer(t)}, {'true' if o else 'false'} }},"
              for n, t, o in e["members"]],
            "    { NULL, NULL, false },", "};")
    extra = ""
    if e["kind"] == "union":
        out.add(f"static const QapiVariant variants_{symbol}[] = {{",
                *[f"    {{ {c_string(v)}, {pointer(t)} }}," for v, t in e["data"].items()],
                "    { NULL, NULL },", "};")
        extra = f", .tag = {c_string(e['discriminator'])}, .variants = variants_{symbol}"
    out.add(f"{definition} = {{ .kind = QAPI_OBJECT, .members = members_{symbol}{extra} }};")


def generate_types(schema, directory):
    out = Output("The schema's types.")
    out.add('#include "qapi-types.h"', "")
    for name, kind in BUILTINS.items():
        bounds = ""
        if kind == "INT":
            bits = INTEGERS[name]
            low, high = ("INT64_MIN", "INT64_MAX") if bits == 64 else ("0", "UINT64_MAX") if bits == -64 else \
                ("0", str(2 ** -bits - 1)) if bits < 0 else (str(-2 ** (bits - 1)),
                                                             str(2 ** (bits - 1) - 1))
            bounds = f", .name = {c_string(name)}, .min = {low}, .max = {high}"
        out.add(f"static const QapiType type_{name} G_GNUC_UNUSED = "
                f"{{ .kind = QAPI_{kind}{bounds} }};")
    own = [e for e in schema.types.values()]
    for e in own:
        out.add(f"static const QapiType type_{c_name(e['name'])} G_GNUC_UNUSED;")
    for t in used_arrays(schema):
        out.add(f"static const QapiType {type_symbol(t)} = "
                f"{{ .kind = QAPI_ARRAY, .element = {pointer(t[0])} }};")
    for e in own:
        if e["kind"] == "enum":
            out.add("", f"const char *const qapi_{c_name(e['name'])}_names[] = {{",
                    "    " + ", ".join(c_string(v) for v in e["values"]) + ", NULL", "};",
                    f"static const QapiType type_{c_name(e['name'])} = "
                    f"{{ .kind = QAPI_ENUM, .values = qapi_{c_name(e['name'])}_names }};")
        else:
            out.add("")
            add_struct(out, e, f"static const QapiType type_{c_name(e['name'])}")
            if not e["name"].startswith("q_"):
                tag = f", .tag = {c_string(e['discriminator'])}, .variants = variants_{c_name(e['name'])}" \
                    if e["kind"] == "union" else ""
                out.add(f"const QapiType qapi_{c_name(e['name'])} = "
                        f"{{ .kind = QAPI_OBJECT, .members = members_{c_name(e['name'])}{tag} }};")
    for e in schema.events:
        out.add("",
                f"const QapiEvent qapi_event_{c_name(e['name'])} = "
                f"{{ {c_string(e['name'])}, {pointer(e['arguments'])} }};")
    out.add("", "const QapiEvent *const qapi_events[] = {",
            *[f"    &qapi_event_{c_name(e['name'])}," for e in schema.events], "    NULL", "};")
    for c in schema.commands:
        symbol = c_name(c["name"])
        out.add(f"const QapiType *const qapi_arguments_{symbol} = "
                f"{pointer(c['arguments'] if c.get('gen', True) else 'any')};",
                f"const QapiType *const qapi_returns_{symbol} = {pointer(c.get('returns'))};")
    # Declared here, where nobody else needs them but the command table.
    at = out.lines.index('#include "qapi-types.h"') + 1
    for c in schema.commands:
        symbol = c_name(c["name"])
        out.lines.insert(at,
                         f"extern const QapiType *const qapi_arguments_{symbol}, *const "
                         f"qapi_returns_{symbol};")
    out.write(directory, "qapi-types.c")


def generate_commands(schema, directory):
    out = Output("The commands and their handlers.")
    out.add('#include "qapi-types.h"', "")
    for c in schema.commands:
        symbol = c_name(c["name"])
        out.add(f"extern const QapiType *const qapi_arguments_{symbol}, *const "
                f"qapi_returns_{symbol};")
    out.add("", "const QapiCommand qapi_commands[] = {")
    for c in schema.commands:
        symbol = c_name(c["name"])
        out.add(f"    {{ {c_string(c['name'])}, &qapi_arguments_{symbol}, &qapi_returns_{symbol}, qmp_{symbol}, "
                f"{'true' if c.get('allow-oob') else 'false'} }},")
    out.add("    { NULL, NULL, NULL, NULL, false },", "};")
    out.write(directory, "qapi-commands.c")


class Introspection:
    """The schema as query-qmp-schema shows it: own types under numbers, builtin ones under their
    names."""

    def __init__(self, schema):
        self.schema, self.numbers, self.entries, self.queue = schema, {}, [], []
        for e in schema.commands:
            self.entry(e, e["name"], "command", {"arg-type": self.type(e["arguments"] or "q_empty"),
                                                 "ret-type": self.type(e.get("returns") or
                                                                       "q_empty"),
                                                 **({"allow-oob": True} if e.get("allow-oob")
                                                    else {})})
        for e in schema.events:
            self.entry(e, e["name"], "event", {"arg-type": self.type(e["arguments"] or "q_empty")})
        while self.queue:
            self.describe(self.queue.pop(0))

    def entry(self, e, name, meta, content):
        features = {"features": e["features"]} if e.get("features") else {}
        self.entries.append({"name": name, "meta-type": meta, **content, **features})

    def type(self, t):
        key = f"[{self.type(t[0])}]" if isinstance(t, list) else "int" if t in INTEGERS else t
        if key not in self.numbers:
            builtin = not isinstance(t, list) and t in BUILTINS
            self.numbers[key] = key if builtin or isinstance(t, list) else str(len(self.numbers))
            self.queue.append((key, t))
        return self.numbers[key]

    def describe(self, item):
        key, t = item
        name = self.numbers[key]
        if isinstance(t, list):
            self.entry({}, name, "array", {"element-type": self.type(t[0])})
        elif t in BUILTINS:
            json_type = {"STR": "string", "BOOL": "boolean", "NUMBER": "number", "ANY": "value",
                         "NULL": "null", "INT": "int"}
            self.entry({}, name, "builtin", {"json-type": json_type[BUILTINS[t]]})
        elif t == "q_empty":
            self.entry({}, name, "object", {"members": []})
        else:
            self.own(name, self.schema.types[t])

    def own(self, name, e):
        if e["kind"] == "enum":
            self.entry(e, name, "enum",
                       {"members": [{"name": v} for v in e["values"]], "values": e["values"]})
            return
        content = {"members": [{"name": n, "type": self.type(t),
                                **({"default": None} if o else {})} for n, t, o in e["members"]]}
        if e["kind"] == "union":
            tag = next(t for n, t, _ in e["members"] if n == e["discriminator"])
            content["tag"] = e["discriminator"]
            content["variants"] = [{"case": v, "type": self.type(e["data"].get(v, "q_empty"))}
                                   for v in self.schema.types[tag]["values"]]
        self.entry(e, name, "object", content)


def generate_schema(schema, directory):
    out = Output("What query-qmp-schema answers.")
    out.add('#include "qapi/qapi.h"', "", "const char *const qapi_schema[] = {")
    for entry in Introspection(schema).entries:
        text = json.dumps(entry)
        pieces = [c_string(text[i:i + 100]) for i in range(0, len(text), 100)]
        out.add("    " + "\n    ".join(pieces) + ",")
    out.add("    NULL", "};")
    out.write(directory, "qapi-schema.c")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        schema = Schema(sys.argv[1])
    except (SchemaError, OSError) as e:
        sys.exit(f"qapi-gen: {e}")
    for generate in (generate_header, generate_types, generate_commands, generate_schema):
        generate(schema, sys.argv[2])


if __name__ == "__main__":
    main()
