#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rewrites the machine's apt entry of its own release so that it names other suites or components.

usage: source_entries.py [--binary COMPONENT,...] CODENAME FOLDER SUITE...

Reads /etc/apt (both formats), takes the first entry that serves the release CODENAME, and writes
FOLDER/newer.list or FOLDER/newer.sources with the same addresses and the same signing key, for the
source packages of main in those suites, or with --binary for the packages of these components.
Nothing that would let unsigned lists through is taken over. Exit status 1: there is no such entry.
"""

import pathlib
import re
import sys

# Names that stand for a release in entries whose writer did not want to name it.
ALIASES = {"stable", "oldstable", "testing", "unstable", "sid"}
# What turns verification off, whatever the machine does with its other packages.
UNSAFE = {"trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure"}
# The type and the components of the entries to be written.
SOURCES_OF_MAIN = ("deb-src", ["main"])
# What concerns binary packages, or is written anew.
REPLACED = {"types", "suites", "components", "architectures", "targets", "enabled", "description"}
ONE_LINE = re.compile(r"^deb(?:-src)?\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$")


def serves(codename, suites, components, addresses):
    """Whether an entry is the main archive of the release and can be reached without a disc."""
    return (bool(({codename} | ALIASES) & set(suites)) and "main" in components
            and not any(address.startswith("cdrom:") for address in addresses))


def rewrite_line(line, codename, suites, wanted=SOURCES_OF_MAIN):
    """One line of the old format for each suite; None when the line does not serve the release."""
    match = ONE_LINE.match(line.split("#")[0].strip())
    if not match:
        return None
    options, address, suite, components = match.groups()
    if not serves(codename, [suite], components.split(), [address]):
        return None
    kept = [option for option in (options or "").split()
            if option.split("=")[0].rstrip("+-").lower() not in UNSAFE | {"arch", "target"}]
    written = f"[{' '.join(kept)}] " if kept else ""
    kind, taken = wanted
    return "".join(f"{kind} {written}{address} {suite} {' '.join(taken)}\n" for suite in suites)


def parse_stanza(text):
    """Ordered (name, value) pairs; values keep their continuation lines, as embedded keys need."""
    fields = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and fields:
            fields[-1][1] += "\n" + line
        elif ":" in line:
            name, value = line.split(":", 1)
            fields.append([name.strip(), value.strip()])
    return fields


def rewrite_stanza(text, codename, suites, wanted=SOURCES_OF_MAIN):
    """One stanza of the new format; None when it does not serve the release."""
    fields = parse_stanza(text)
    values = {name.lower(): value for name, value in fields}
    if values.get("enabled", "yes").lower() in ("no", "false", "off", "0", "without", "disable"):
        return None
    if not {"deb", "deb-src"} & set(values.get("types", "").split()):
        return None
    if not serves(codename, values.get("suites", "").split(), values.get("components", "").split(),
                  values.get("uris", "").split()):
        return None
    kept = "".join(f"{name}: {value}\n" for name, value in fields
                   if re.sub(r"-(add|remove)$", "", name.lower()) not in UNSAFE | REPLACED)
    kind, taken = wanted
    return f"Types: {kind}\nSuites: {' '.join(suites)}\nComponents: {' '.join(taken)}\n{kept}"


def rewrite_file(name, text, codename, suites, wanted=SOURCES_OF_MAIN):
    """(suffix, text) of the private entry made from the first fitting one of a file, or None."""
    if name.endswith(".sources"):
        for stanza in re.split(r"\n[ \t]*\n", text):
            entry = rewrite_stanza(stanza, codename, suites, wanted)
            if entry:
                return ".sources", entry
        return None
    for line in text.splitlines():
        entry = rewrite_line(line, codename, suites, wanted)
        if entry:
            return ".list", entry
    return None


def main(codename, folder, suites, wanted=SOURCES_OF_MAIN):
    etc = pathlib.Path("/etc/apt")
    parts = etc / "sources.list.d"
    files = [etc / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]
    for file in files:
        if not file.is_file():
            continue
        entry = rewrite_file(file.name, file.read_text(errors="replace"), codename, suites, wanted)
        if entry:
            suffix, text = entry
            for old in folder.glob("newer.*"):
                old.unlink()
            (folder / f"newer{suffix}").write_text(text)
            return 0
    return 1


if __name__ == "__main__":
    words, chosen = sys.argv[1:], SOURCES_OF_MAIN
    if words[:1] == ["--binary"] and len(words) > 1:
        chosen, words = ("deb", words[1].split(",")), words[2:]
    if len(words) < 3:
        sys.exit(__doc__)
    sys.exit(main(words[0], pathlib.Path(words[1]), words[2:], chosen))
