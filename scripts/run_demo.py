#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The second half of scripts/demo, which builds first: runs a swarm and says what happened."""

import argparse
import glob
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from compare_trees import compare_trees

MIN_FILES = 3_000
MIN_BYTES = 60_000_000
MAX_FOLDER_BYTES = 200_000_000
MAX_FOLDER_FILES = 8_000
# What every machine has on which shoal was just built, in the order to take it: the set-up installs
# Python, a compiler, its library and some header-only libraries.
CANDIDATES = (
    "/usr/lib/python3.[0-9]*", "/usr/include/c++", "/usr/include/linux", "/usr/include/asio",
    "/usr/include/openssl", "/usr/share/cmake-*", "/usr/share/perl", "/usr/lib/*/perl",
    "/usr/lib/llvm-*/lib/clang", "/usr/include/spdlog", "/usr/include/nlohmann", "/usr/include/gtest",
    "/usr/lib/python3", "/usr/share/doc", "/usr/share/locale", "/usr/lib/git-core", "/usr/lib/gcc",
)
PEERS = 3
COPIES = 2
# Copies that do not come any further for so long will not come.
STUCK_SECONDS = 120
MARK = "made-by-scripts-demo"


class DemoError(Exception):
    """A sentence for the user."""


def say(text=""):
    print(text, flush=True)


def step(text):
    say(f"==> {text}")


class Ticker:
    """A line that is rewritten on a terminal, and repeated now and then elsewhere."""

    def __init__(self):
        self.is_terminal = sys.stdout.isatty()
        self.interval = 0.2 if self.is_terminal else 5.0
        self.next = time.monotonic() + self.interval
        self.is_open = False

    def show(self, text):
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + self.interval
        if self.is_terminal:
            print(f"\r    {text}\x1b[K", end="", flush=True)
            self.is_open = True
        else:
            say(f"    {text}")

    def end(self):
        if self.is_open:
            print("\r\x1b[K", end="", flush=True)
            self.is_open = False


def megabytes(count):
    return f"{count / 1e6:,.1f} MB"


def rate(count, seconds):
    return f"{count / 1e6 / max(seconds, 1e-9):,.1f} MB/s"


def mounts_below(folder):
    """Points as they are written in the kernel's table, unescaped."""
    points = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), line.split()[4])
            if point.startswith(folder + "/"):
                points.append(point)
    return points


def size_of_folder(folder):
    """(files, bytes) below folder; None when something in it cannot be read."""
    files = total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if os.path.islink(path):
                continue
            if not os.path.isfile(path) or not os.access(path, os.R_OK):
                return None
            files += 1
            total += os.path.getsize(path)
    return files, total


def choose_folders():
    """Whole folders of this system that make up a few thousand files: [(folder, files, bytes)]."""
    chosen = []
    files = total = 0
    names = set()
    for pattern in CANDIDATES:
        for folder in sorted(glob.glob(pattern)):
            folder = os.path.realpath(folder)
            name = os.path.basename(folder)
            size = size_of_folder(folder) if os.path.isdir(folder) and name not in names else None
            if not size or size[1] > MAX_FOLDER_BYTES or size[0] > MAX_FOLDER_FILES:
                continue
            # What brings neither number forward is left out.
            if (files >= MIN_FILES and size[1] < 4_000_000) or size[0] == 0:
                continue
            names.add(name)
            chosen.append((folder, *size))
            files += size[0]
            total += size[1]
            if files >= MIN_FILES and total >= MIN_BYTES:
                return chosen
    raise DemoError(f"this system has too little in {', '.join(CANDIDATES[:3])}, ... to copy: "
                    f"{files} files, {megabytes(total)}")


class Demo:
    def __init__(self, binaries, folder, is_check):
        self.shoal = os.path.join(binaries, "shoal")
        self.folder = folder
        self.is_check = is_check
        self.is_up = False
        self.ticker = Ticker()
        self.results = []  # (what, files, bytes, seconds)
        self.served = {}   # (from, to) -> bytes

    def mount(self, peer):
        return os.path.join(self.folder, f"peer{peer}", "mnt")

    def run(self, *arguments):
        """What the tool has against it goes to our stderr."""
        done = subprocess.run([self.shoal, *arguments, "--quiet", "--dir", self.folder], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
        return done.returncode, done.stdout

    def status(self):
        code, text = self.run("lab", "status", "--json")
        if code not in (0, 3):
            raise DemoError("the swarm does not tell its state; see the message above")
        return json.loads(text)

    def start(self):
        prepare_folder(self.folder, self)
        step(f"starting a tracker and {PEERS} mounted peers in {self.folder}")
        self.is_up = True  # even a start that is interrupted half-way has to be undone
        code, _ = self.run("lab", "start", "--peers", str(PEERS), "--copies", str(COPIES))
        if code != 0:
            raise DemoError("the swarm did not start; see the message above")

    def copy_in(self, chosen):
        files = sum(entry[1] for entry in chosen)
        total = sum(entry[2] for entry in chosen)
        step(f"copying {files:,} files, {megabytes(total)}, in on peer 1")
        begun = time.monotonic()
        for folder, count, size in chosen:
            say(f"    cp -a {folder} {self.mount(1)}/   ({count:,} files, {megabytes(size)})")
            copy = subprocess.run(["cp", "-a", folder, self.mount(1) + "/"], check=False)
            if copy.returncode != 0:
                raise DemoError(f"cp ended with status {copy.returncode}; the peer's log is "
                                f"{self.folder}/peer1/log")
        self.results.append(("copied in on peer 1", files, total, time.monotonic() - begun))

    def compare(self, peer, chosen, what):
        is_root = os.geteuid() == 0  # others cannot give files away, so a copy is theirs
        step(f"{what}: every byte, mode, time, {'owner, ' if is_root else ''}xattr and link "
             "against the originals")
        self.ticker = Ticker()
        expected = sum(entry[1] for entry in chosen)
        begun = time.monotonic()
        files = total = 0
        for folder, _, _ in chosen:
            copy = os.path.join(self.mount(peer), os.path.basename(folder))

            def show(totals, before=files):
                self.ticker.show(f"{before + totals.files:,} of {expected:,} files")

            found, totals = compare_trees(folder, copy, show, with_owner=is_root)
            self.ticker.end()
            files += totals.files
            total += totals.bytes
            if found:
                for difference in found[:10]:
                    say(f"    DIFFERENT: {difference}")
                raise DemoError(f"{len(found)} differences between {folder} and {copy}")
        if files < expected:
            raise DemoError(f"only {files} of {expected} files were there")
        seconds = time.monotonic() - begun
        self.results.append((what, files, total, seconds))
        say(f"    {files:,} files, {megabytes(total)}: all identical, in {seconds:.1f} s")

    def wait_for_copies(self):
        step(f"waiting until {COPIES} peers hold each file")
        self.ticker = Ticker()
        begun = last_change = time.monotonic()
        last = None
        while True:
            health = self.status()["health"]
            if health is None:
                raise DemoError(f"the tracker does not answer; its log is {self.folder}/tracker/log")
            if health["under"] == 0:
                break
            now = time.monotonic()
            if health["under"] != last:
                last, last_change = health["under"], now
            if now - last_change > STUCK_SECONDS:
                raise DemoError(f"{last} files have waited for their copies for {STUCK_SECONDS} s "
                                f"in vain; the logs are {self.folder}/*/log")
            self.ticker.show(f"{health['files'] - health['under']:,} of {health['files']:,} files")
            time.sleep(0.2)
        self.ticker.end()
        seconds = time.monotonic() - begun
        say(f"    {health['files']:,} files are safe, after {seconds:.1f} s more")

    def note_traffic(self):
        """Who sent how much to whom, as far as the living peers tell."""
        pattern = re.compile(r'shoal_chunk_(sent|received)_bytes_total\{peer="(.*)"\}')
        for peer in self.status()["peers"]:
            for name, value in peer.get("metrics", {}).items():
                found = pattern.fullmatch(name)
                if not found:
                    continue
                ends = (peer["name"], found[2]) if found[1] == "sent" else (found[2], peer["name"])
                self.served[ends] = max(value, self.served.get(ends, 0))

    def kill_peer_1(self):
        step("killing peer 1, which everything was copied in on (SIGKILL)")
        self.note_traffic()
        code, _ = self.run("lab", "kill", "1")
        if code != 0:
            raise DemoError("peer 1 could not be killed; see the message above")

    def report(self):
        self.note_traffic()
        say()
        say(f"    {'':34}{'files':>8}{'size':>12}{'time':>9}{'rate':>13}")
        for what, files, total, seconds in self.results:
            say(f"    {what:34}{files:>8,}{megabytes(total):>12}{seconds:>7.1f} s"
                f"{rate(total, seconds):>13}")
        say()
        for (source, target), count in sorted(self.served.items()):
            if count:
                say(f"    {source} served {megabytes(count)} to {target}")
        say()

    def stop(self):
        code, _ = self.run("lab", "stop")
        if code != 0:
            raise DemoError(f"the swarm could not be stopped; try: {self.command('lab stop')}")
        self.is_up = False

    def command(self, words):
        return f"{shlex.quote(self.shoal)} {words} --dir {shlex.quote(self.folder)}"


def prepare_folder(folder, demo):
    """Makes folder an empty one; only what an earlier demo left there is removed."""
    if os.path.isdir(folder) and os.listdir(folder):
        if not os.path.exists(os.path.join(folder, MARK)):
            raise DemoError(f"{folder} is not empty and not of an earlier demo: "
                            "say --dir with another one")
        step(f"removing the swarm of an earlier demo in {folder}")
        if os.path.exists(os.path.join(folder, "lab.json")):
            demo.stop()
        remove_folder(folder)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    pathlib.Path(folder, MARK).touch()


def remove_folder(folder):
    left = mounts_below(folder)
    if left:  # removing would reach through the mount
        raise DemoError(f"{left[0]} is still mounted, so {folder} stays")
    shutil.rmtree(folder)


def show_how_to_go_on(demo):
    say("The swarm is still up, to look around in:")
    say(f"    ls {demo.mount(2)}")
    say(f"    {demo.command('lab status')}")
    say(f"    {demo.command('lab restart 1')}    brings peer 1 back")
    say(f"    {demo.command('lab stop')}    stops everything")


def act(demo):
    chosen = choose_folders()
    demo.start()
    demo.copy_in(chosen)
    demo.compare(2, chosen, "compared on peer 2")
    demo.wait_for_copies()
    demo.kill_peer_1()
    demo.compare(3, chosen, "read on peer 3, peer 1 dead")
    demo.report()


def clean_up(demo):
    # A second Ctrl-C must not leave half of it behind; stopping takes a bounded time.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    step("stopping the swarm")
    if os.path.exists(os.path.join(demo.folder, "lab.json")):  # not so when interrupted very early
        demo.stop()
    if demo.is_check:
        remove_folder(demo.folder)


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--dir")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    if options.dir:
        folder = os.path.realpath(options.dir)
    elif options.check:
        folder = tempfile.mkdtemp(prefix="shoal-demo-check-")
    else:
        folder = os.path.join(tempfile.gettempdir(), f"shoal-demo-{os.getuid()}")
    demo = Demo(options.bin, folder, options.check)
    code = 0
    try:
        act(demo)
    except DemoError as error:
        demo.ticker.end()
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        demo.ticker.end()
        print("interrupted", file=sys.stderr)
        code = 130
    try:
        if demo.is_up and (demo.is_check or code == 130):
            clean_up(demo)
        elif demo.is_up:
            show_how_to_go_on(demo)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        code = code or 1
    if code == 0 and demo.is_check:
        say("All identical.")
    return code


if __name__ == "__main__":
    sys.exit(main())
