#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual is true: its marked command lines run, the messages it explains exist, and its options
are those of -help.

A comment in front of a code block marks it:  .. docs-test: KIND: TEXT
  plan    the command runs with qemu-tdx-plan in the VMM's place, ends with status 0 and prints TEXT
  run     the command ends with status 0 and prints TEXT
  error   the command ends with status 1 and prints TEXT on stderr
The mark `.. docs-test: messages` stands in front of a table whose first column holds messages; … stands for values.
"""

import glob
import hashlib
import os
import re
import shlex
import subprocess

import vmm

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE_DIRECTORIES = ("accel", "backends", "block", "chardev", "hw", "include", "monitor", "net",
                      "qapi", "qom", "scripts", "swtdx", "system", "target", "tests", "util")
PAGES = sorted(glob.glob(os.path.join(SOURCE, "docs/**/*.rst"), recursive=True))


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def page_name(path):
    return os.path.relpath(path, os.path.join(SOURCE, "docs"))


def marked_commands():
    """(page, kind, text, command) for each marked block."""
    for path in PAGES:
        for match in re.finditer(r"^\.\. docs-test: (plan|run|error): (.*)\n\n\.\. code-block:: \w+\n\n((?:   .*\n|\n)+)", read(path), re.M):
            lines = [line[3:] for line in match.group(3).splitlines()]
            yield page_name(path), match.group(1), match.group(2), "\n".join(lines).strip()


def count_marks():
    return sum(len(re.findall(r"^\.\. docs-test: (?!messages)", read(path),
                              re.M)) for path in PAGES)


def same_ovmf():
    with open(vmm.OVMF, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest().startswith("7b456907dd0786d4")


def run_command(kind, text, command):
    def check():
        if vmm.OVMF in command and not os.path.exists(vmm.OVMF):
            return f"{vmm.OVMF} is missing: install the package ovmf"
        if text.startswith("MRTD") and vmm.OVMF in command and not same_ovmf():
            return f"{vmm.OVMF} is not the one of Debian 12 whose values the manual tells"
        line = command
        if kind == "plan":
            line = line.replace("qemu-system-x86_64", "qemu-tdx-plan")
        if not line.startswith("swtdx"):
            line = " ".join(map(shlex.quote, vmm.tdx_host())) + " " + line
        env = dict(os.environ, PATH=vmm.BUILD + ":" + os.environ["PATH"])
        done = subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=120, check=False, env=env)
        out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        assert done.returncode == (1 if kind == "error" else 0), f"status {done.returncode}: {err}"
        assert text in (err if kind == "error" else out), f"{text!r} is not in {out!r} {err!r}"
        return None
    return check


def source_text():
    """All string literals of the C sources, adjacent ones joined; printf conversions and macros
    between them become …"""
    literals = []
    for directory in ("accel", "backends", "chardev", "hw", "monitor", "qapi", "qom", "system",
                      "target", "util"):
        for path in sorted(glob.glob(os.path.join(SOURCE, directory, "**/*.c"), recursive=True)):
            text = re.sub(r"/\*.*?\*/", " ", read(path), flags=re.S)
            text = re.sub(r'%[-+ #0]*\d*"\s*(?:PRI\w+|G_\w+)\s*"x?', "…", text)  # "%" PRIx64 "
            text = re.sub(r'(?<!\\)"\s*(?:[A-Z_0-9]+\s*)?"', "", text)
            for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', text):
                literals.append(re.sub(r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|j)?[a-zA-Z]",
                                       "…", literal.replace('\\"', '"')))
    return "\n".join(literals)


def documented_messages():
    for path in PAGES:
        at = read(path).find(".. docs-test: messages\n")
        if at >= 0:
            table = re.split(r"^(?=\S)", read(path)[at:].split("list-table::", 1)[1], maxsplit=1,
                             flags=re.M)[0]
            for message in re.findall(r"^   \* - ``(.*)``$", table, re.M):
                yield page_name(path), message


def check_messages():
    sources = source_text()
    missing = []
    rows = list(documented_messages())
    assert rows, "no table of messages"
    for page, message in rows:
        for piece in message.split("…"):
            if piece.strip(" :,'.") and piece.strip() not in sources:
                missing.append(f"{page}: {message}: no source has {piece.strip()!r}")
    assert not missing, "\n".join(missing)


# Whose errors meet the user of a TD. What is beneath them (keyval, QOM, devices) names the remedy
# in the message itself.
EXPLAINED = ("target/i386/*.c", "target/i386/kvm/*.c", "accel/kvm/*.c", "hw/i386/tdvf*.c",
             "system/firmware.c", "system/options-machine.c")


def error_messages():
    """(file, message) of each error that these sources make; values are …"""
    for pattern in EXPLAINED:
        for path in sorted(glob.glob(os.path.join(SOURCE, pattern))):
            text = re.sub(r"/\*.*?\*/", " ", read(path), flags=re.S)
            text = re.sub(r'%[-+ #0]*\d*"\s*(?:PRI\w+|G_\w+)\s*"x?', "…", text)
            text = re.sub(r'(?<!\\)"\s*(?:[A-Z_0-9]+\s*)?"', "", text)
            for literal in re.findall(r'\b(?:error_set|report_error)\(\s*\w+,\s*"((?:[^"\\\n]|\\.)*)"', text):
                message = re.sub(r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|j)?[a-zA-Z]", "…",
                                 literal.replace('\\"', '"'))
                yield os.path.relpath(path, SOURCE), message


def explains(row, message):
    """The row's words are in the message, in their order."""
    at = 0
    for piece in [p.strip() for p in row.split("…")]:
        found = message.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def check_messages_explained():
    """Every error has a row in the table, or a paragraph of the page that begins with it."""
    page = read(os.path.join(SOURCE, "docs/system/i386/tdx.rst"))
    rows = [row for _, row in documented_messages()] + re.findall(r"^``([^`\n]+)``$", page, re.M)
    messages = list(error_messages())
    assert len(messages) > 100, "the sources' errors are not found"
    missing = [f"{path}: {message}" for path, message in messages
               if message.strip("… :'") and not any(explains(row, message) for row in rows)]
    assert not missing, "no row in docs/system/i386/tdx.rst for:\n" + "\n".join(missing)


def check_marks():
    assert len(list(marked_commands())) == count_marks() > 0, \
        "a marked block has another form than the test reads"


def man_options(name):
    """Options that head a paragraph of the manual page."""
    found = set()
    for line in re.findall(r"^\.TP\n\.\w+ (.*)$",
                           read(os.path.join(SOURCE, "docs/man", name + ".1")), re.M):
        found |= set(re.findall(r'(?:^|[\s"])((?:\\-){1,2}[A-Za-z][\w-]*)', line))
    return {option.replace("\\", "") for option in found}


def help_text(*argv):
    status, out, err = vmm.run([vmm.program(argv[0]), *argv[1:]])
    assert status == 0, err
    return out


def vmm_help_options(name):
    found = set()
    for line in re.findall(r"^(?:--?\w.*)$", help_text(name, "-help"), re.M):
        found |= set(re.findall(r"(?:^|, )(--?[A-Za-z][\w-]*)", line.split("  ", 1)[0]))
    return found


def same(documented, offered):
    assert offered, "no option found in the help text"
    assert documented == offered, f"only in the manual page: {sorted(documented - offered)}; only in the help text: {sorted(offered - documented)}"


def check_vmm_man():
    same(man_options("qemu-system-x86_64"), vmm_help_options("qemu-system-x86_64"))


def check_plan_man():
    """Options of its own; for those of the VMM the page may refer to the VMM's."""
    if not os.path.exists(os.path.join(SOURCE, "docs/man/qemu-tdx-plan.1")):
        return "there is no docs/man/qemu-tdx-plan.1"
    shared = vmm_help_options("qemu-system-x86_64")
    offered = vmm_help_options("qemu-tdx-plan")
    documented = man_options("qemu-tdx-plan")
    assert offered - shared <= documented, \
        f"only in the help text: {sorted(offered - shared - documented)}"
    assert documented <= offered, f"only in the manual page: {sorted(documented - offered)}"
    return None


def check_swtdx_man():
    offered = set(re.findall(r"(?<![\w'-])--[a-z][\w-]*",
                             help_text("swtdx", "--help") + help_text("swtdx", "run", "--help") +
                             help_text("swtdx", "qgs", "--help") +
                             help_text("swtdx", "measure", "--help")))
    same(man_options("swtdx"), offered)
    page = read(os.path.join(SOURCE, "docs/man/swtdx.1"))
    for command in re.findall(r"^(?:usage:)?\s+swtdx ([a-z]+)", help_text("swtdx", "--help"), re.M):
        assert f".B swtdx {command}\n" in page, f"command {command} is not in the manual page"


def check_sources_listed():
    """meson has no wildcards: a page that it does not know would not rebuild the manual."""
    listed = read(os.path.join(SOURCE, "docs/meson.build"))
    assert [p for p in PAGES if f"'{page_name(p)}'" not in listed] == []


def check_corpora_listed():
    """The same of inputs that fuzzers found or began with: each is replayed."""
    listed = read(os.path.join(SOURCE, "tests/fuzz/meson.build"))
    names = [os.path.splitext(os.path.basename(path))[0]
             for path in glob.glob(f"{SOURCE}/tests/fuzz/corpus/*/*")]
    assert names and [n for n in names if not re.search(rf"['/]{re.escape(n)}['.]", listed)] == []


def check_names():
    """What the pages for developers call ``function()`` and ``directory/file.c`` is there."""
    sources = {os.path.relpath(path, SOURCE): read(path)
               for ending in ("c", "h", "py") for directory in SOURCE_DIRECTORIES
               for path in glob.glob(f"{SOURCE}/{directory}/**/*.{ending}", recursive=True)}
    words = set(re.findall(r"\w+", "\n".join(sources.values())))
    files = {"/" + path for path in sources}
    missing = []
    for page in glob.glob(os.path.join(SOURCE, "docs/devel/*.rst")):
        text = read(page)
        missing += [(page_name(page), name) for name in re.findall(r"``(\w+)\(\)``", text)
                    if name not in words]
        missing += [(page_name(page), name) for name in re.findall(r"``([\w./-]+\.[ch])``", text)
                    if not any(path.endswith("/" + name) for path in files)]
    assert not missing, missing


if __name__ == "__main__":
    vmm.tap([(f"/docs/command/{page}/{number}", run_command(kind, text, command))
             for number, (page, kind, text, command) in enumerate(marked_commands(), 1)] +
            [("/docs/marks", check_marks), ("/docs/messages", check_messages),
             ("/docs/messages-explained", check_messages_explained),
             ("/docs/sources-listed", check_sources_listed),
             ("/docs/corpora-listed", check_corpora_listed), ("/docs/names", check_names),
             ("/docs/man/qemu-system-x86_64", check_vmm_man),
             ("/docs/man/qemu-tdx-plan", check_plan_man),
             ("/docs/man/swtdx", check_swtdx_man)])
