#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the sources with the rules that no compiler checks, and says what to do instead.

Rules: arrows (which folder may include which), doors (each third-party library is included in one
place), coroutines (shapes of co_await that compilers get wrong), spdx (licence line), format
(clang-format, only with --format).

Exit status: 0 clean, 1 findings, 2 usage, 77 when --format finds no clang-format.
"""

import argparse
import dataclasses
import fnmatch
import pathlib
import re
import shutil
import subprocess
import sys

# What each folder may include besides itself.
ARROWS = {
    "base": set(),
    "wire": {"base"},
    "cache": {"base"},
    "tracker": {"base", "wire"},
    "fs": {"base", "wire", "cache"},
    "peerd": {"base", "wire", "cache"},
    "cli": {"base", "wire"},
}
# The files that compose fs into the peer daemon.
COMPOSERS = ("peerd/main.cc", "peerd/mount*.cc")

TEST_FOLDERS = ("tests", "iozone")


@dataclasses.dataclass(frozen=True)
class Door:
    """A third-party library and the files that may include it."""

    header: str  # regular expression on the included name
    library: str
    files: tuple  # glob patterns on the path
    instead: str
    in_tests: bool = False  # the rule holds in tests too


DOORS = (
    Door(r"cereal/", "cereal", ("wire/codec*",),
         "use the encode and decode functions of wire/codec.h"),
    Door(r"sqlite3(ext)?\.h$", "SQLite", ("base/sqlite*",), "use base/sqlite.h"),
    Door(r"(fuse3?/|fuse(_\w+)?\.h$|linux/fuse\.h$)", "libfuse",
         ("fs/ops/*", "fs/reply*", "fs/mount*", "fs/notifier*"),
         "keep kernel types in fs/ops/, fs/reply, fs/mount and fs/notifier; pass our own types on"),
    # base/random compares secrets in constant time with it.
    Door(r"openssl/", "OpenSSL", ("base/hash*", "base/random*", "wire/tls*"),
         "use base/hash.h for digests, base/random.h for secrets and wire/tls.h for connections and keys"),
    Door(r"asio/ssl", "OpenSSL through Asio",
         ("base/asio_*.cc", "wire/tls*"), "use wire/tls.h"),
    Door(r"(intel-)?ipsec-mb", "libipsec-mb", ("base/hash*",), "use base/hash.h"),
    Door(r"(restinio/|http_parser\.h$)", "RESTinio", ("tracker/http*",), "use tracker/http.h"),
    Door(r"spdlog/", "spdlog", ("base/log*",), "use base/log.h"),
    Door(r"(toml\+\+|toml\.hpp)", "toml++", ("base/config*",), "use base/config.h"),
    Door(r"CLI/", "CLI11", ("cli/*", "*/main.cc"),
         "parse options in main.cc and pass a struct on"),
    Door(r"asio/experimental/", "what moved between versions of Asio", ("base/asio_alias.h",),
         "use base/asio_alias.h", in_tests=True),
    Door(r"asio/(basic_waitable|high_resolution|steady|system)_timer\.hpp", "Asio's timers",
         ("base/*",), "take a base::Timer, so that tests can turn the time"),
    Door(r"asio\.hpp$", "all of Asio", (),
         "include the narrow header, such as asio/ip/tcp.hpp: the whole costs seconds a file",
         in_tests=True),
    Door(r"boost/", "Boost", (), "do without: it clashes with standalone Asio", in_tests=True),
    Door(r"(format|print)$", "a header that libstdc++ 12 lacks", (), "use fmt", in_tests=True),
    Door(r"(generator|mdspan|flat_map|flat_set|stacktrace)$", "a header that libstdc++ 12 lacks",
         (), "do without", in_tests=True),
)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


@dataclasses.dataclass(frozen=True)
class Finding:
    path: str
    line: int
    rule: str
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def is_test(path):
    return path.split("/", 1)[0] in TEST_FOLDERS


def check_arrow(path, line, header):
    """One quoted include of a source against the arrows."""
    folder = path.split("/", 1)[0]
    target = header.split("/", 1)[0]
    known = set(ARROWS) | set(TEST_FOLDERS)
    if "/" not in header or target not in known:
        return [Finding(path, line, "arrows",
                        f'"{header}" is not root-relative: write "folder/name.h" from the root, '
                        "and <...> for the headers of other projects")]
    if is_test(path) or target == folder or target in ARROWS[folder]:
        return []
    if target in TEST_FOLDERS:
        return [Finding(path, line, "arrows",
                        f"{folder} includes {header}, which is test code: move what both need "
                        f"into {folder}/ or base/")]
    if folder == "peerd" and target == "fs" and matches(path, COMPOSERS):
        return []
    allowed = ", ".join(sorted(ARROWS[folder])) or "nothing else"
    advice = f"{folder} may include only itself and: {allowed}"
    if target in ("fs", "peerd", "tracker"):
        advice += "; put what both sides share into wire/ or cache/, or let the consumer own an interface"
        if folder == "peerd":
            advice += " (only peerd/main.cc and peerd/mount*.cc compose fs)"
    return [Finding(path, line, "arrows", f"{folder} includes {header}: {advice}")]


def check_door(path, line, header):
    """Any include of a source against the doors."""
    findings = []
    for door in DOORS:
        if not re.match(door.header, header) or (is_test(path) and not door.in_tests):
            continue
        if not matches(path, door.files):
            where = f"belongs in {', '.join(door.files)}" if door.files else "is not used here"
            findings.append(Finding(path, line, "doors",
                                    f"<{header}> is {door.library}, which {where}: {door.instead}"))
    return findings


def check_includes(path, text):
    findings = []
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        quote, header = found.groups()
        if quote == '"' and not any(re.match(door.header, header) for door in DOORS):
            findings += check_arrow(path, number, header)
        findings += check_door(path, number, header)
    return findings


def blank_out(found):
    """Keeps line breaks, so that line numbers stay right."""
    return re.sub(r"[^\n]", " ", found.group(0))


def code_only(text):
    """The text without comments, literals and preprocessor lines, of the same length."""
    pattern = (r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
               r"|(?<!\w)'(?:\\.|[^'\\\n])+'")
    text = re.sub(pattern, blank_out, text, flags=re.DOTALL)
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", blank_out, text, flags=re.MULTILINE)


def condition_of(statement):
    """What stands between the parentheses of a leading if, while, for or switch; else nothing."""
    found = re.match(r"\s*(?:\}?\s*else\s+)?(?:if(?:\s+constexpr)?|while|for|switch)\s*\(", statement)
    if not found:
        return ""
    depth, start = 1, found.end()
    for at in range(start, len(statement)):
        depth += {"(": 1, ")": -1}.get(statement[at], 0)
        if depth == 0:
            return statement[start:at]
    return statement[start:]


def check_coroutines(path, text):
    """Shapes that some compiler gets wrong: destroyed twice, or not at all."""
    findings = []
    code = code_only(text)
    # A for (;;) head is cut in pieces here, and each piece is then judged as a statement.
    for found in re.finditer(r"[^;{}]*\bco_await\b[^;{}]*", code):
        statement = found.group(0)
        line = code.count("\n", 0, found.start() + statement.index("co_await")) + 1
        problem = None
        if len(re.findall(r"\bco_await\b", statement)) > 1:
            problem = "two co_await in one statement"
        elif re.search(r"\bauto\s*&{0,2}\s*\[[^\]]*\]\s*=\s*co_await\b", statement):
            problem = "a structured binding straight from co_await"
        elif re.search(r"\bco_await\b", condition_of(statement)):
            problem = "co_await in a condition"
        elif "?" in statement:
            problem = "co_await in ?:"
        if problem:
            findings.append(Finding(path, line, "coroutines",
                                    f"{problem}, which compilers get wrong: "
                                    "co_await once per statement and give the result a name"))
    return findings


def check_spdx(path, text):
    head = text.splitlines()[:3]
    if any("SPDX-License-Identifier: MIT" in line for line in head):
        return []
    mark = "//" if path.endswith((".h", ".cc", ".cc.in")) else "#"
    return [Finding(path, 1, "spdx",
                    f"no licence line: begin the file with `{mark} SPDX-License-Identifier: MIT`")]


def sources(root):
    """All C++ sources, as paths relative to the root."""
    found = []
    for folder in (*ARROWS, *TEST_FOLDERS):
        for suffix in ("*.h", "*.cc"):
            found += (root / folder).rglob(suffix)
    return sorted(path.relative_to(root).as_posix() for path in found)


def other_files(root):
    """Scripts and build files, which need the licence line."""
    found = [root / "CMakeLists.txt"]
    for folder in (*ARROWS, *TEST_FOLDERS, "cmake", "scripts"):
        for pattern in ("CMakeLists.txt", "*.cmake", "*.py", "*.sh", "*.cc.in"):
            found += (root / folder).rglob(pattern)
    scripts = root / "scripts"
    if scripts.is_dir():
        found += [path for path in scripts.iterdir() if path.is_file() and not path.suffix]
    return sorted({path.relative_to(root).as_posix() for path in found if path.is_file()})


def check_tree(root):
    findings = []
    for path in sources(root):
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        findings += check_includes(path, text)
        findings += check_coroutines(path, text)
        findings += check_spdx(path, text)
    for path in other_files(root):
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        findings += check_spdx(path, text)
    return findings


def check_format(root):
    """Exit status; clang-format's other versions disagree in details, so only 19 counts."""
    tool = shutil.which("clang-format-19")
    if not tool:
        print("skipped: clang-format-19 is not installed (apt-get install clang-format-19)")
        return 77
    paths = sources(root)
    if not paths:
        return 0
    result = subprocess.run([tool, "--dry-run", "-Werror", "--ferror-limit=1", *paths], cwd=root,
                            capture_output=True, text=True, check=False)
    if result.returncode == 0:
        print(f"{len(paths)} sources are formatted")
        return 0
    wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error:", result.stderr, re.MULTILINE)))
    if not wrong:
        print(result.stderr, file=sys.stderr)
        return 1
    for path in wrong:
        print(f"{path}: format: not as clang-format-19 writes it")
    print(f"To mend: clang-format-19 -i {' '.join(wrong)}")
    return 1


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--format", action="store_true", help="check the formatting only")
    options = parser.parse_args(argv)
    if options.format:
        return check_format(options.root)
    findings = check_tree(options.root)
    for finding in findings:
        print(finding)
    count = len(sources(options.root))
    print(f"{count} sources, {len(findings)} findings" if findings else f"{count} sources are clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
