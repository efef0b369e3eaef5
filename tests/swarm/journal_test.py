# SPDX-License-Identifier: MIT
"""Changes that took effect on a peer and had yet to reach the tracker: none is lost, none comes twice."""

import hashlib
import json
import os
import random
import signal
import time
import unittest

from lab import Lab, seed, wait_for


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def word_for(data):
    """Short, so that a difference can be read."""
    return f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:8]}"


def tree(folder):
    """Every path below folder, with a word for the bytes of files; None for directories and links."""
    found = {}
    for place, directories, files in os.walk(folder):
        relative = os.path.relpath(place, folder)
        for name in directories:
            found[os.path.normpath(os.path.join(relative, name))] = None
        for name in files:
            path = os.path.join(place, name)
            word = None if os.path.islink(path) else word_for(read(path))
            found[os.path.normpath(os.path.join(relative, name))] = word
    return found


def pid_of(lab, name):
    return next(p["pid"] for p in lab.status()["peers"] if p["name"] == name)


def journaled(lab, peer):
    """Changes that a peer has made by itself so far."""
    status = json.loads(lab.shoal("status", "--json", "--dir", f"{lab.dir}/peer{peer}", check=False).stdout)
    return status["peer"]["metrics"].get("shoal_journal_operations_total", 0)


def change_at_random(rng, folder, expected, prefix, steps):
    """Creates, renames and removes in folder; expected follows."""
    for step in range(steps):
        files = sorted(name for name, data in expected.items() if data is not None)
        directories = [""] + sorted(name for name, data in expected.items() if data is None)
        what = rng.random()
        place = rng.choice(directories)
        name = os.path.normpath(os.path.join(place, f"{prefix}{step}"))
        if what < 0.5 or not files:
            data = rng.randbytes(rng.randrange(2000))
            write(os.path.join(folder, name), data)
            expected[name] = word_for(data)
        elif what < 0.6:
            os.mkdir(os.path.join(folder, name))
            expected[name] = None
        elif what < 0.8:
            old = rng.choice(files)
            new = rng.choice(files) if rng.random() < 0.3 else name
            os.rename(os.path.join(folder, old), os.path.join(folder, new))
            expected[new] = expected.pop(old)
        else:
            gone = rng.choice(files)
            os.unlink(os.path.join(folder, gone))
            del expected[gone]


class JournalTest(unittest.TestCase):
    maxDiff = None

    def test_a_killed_peer_finds_every_change_once_after_its_restart(self):
        rng = random.Random(seed())
        with Lab(peers=2, copies=1) as lab:
            expected = {}
            os.mkdir(f"{lab.mnt(1)}/fresh")
            for prefix in "abcd":
                victim = pid_of(lab, "peer1")
                steps = rng.randrange(1, 120)
                change_at_random(rng, f"{lab.mnt(1)}/fresh", expected, prefix, steps)
                os.kill(victim, signal.SIGKILL)
                lab.restart(1)
                self.assertEqual(tree(f"{lab.mnt(1)}/fresh"), expected)
                self.assertEqual(tree(f"{lab.mnt(2)}/fresh"), expected)
            self.assertEqual(os.listdir(lab.mnt(2)), ["fresh"])

    def test_what_a_peer_changed_without_the_tracker_yields_to_what_others_did(self):
        with Lab(peers=2, copies=1) as lab:
            ours, theirs = f"{lab.mnt(1)}/shared", f"{lab.mnt(2)}/shared"
            os.mkdir(theirs)
            write(f"{theirs}/before", b"before")
            frozen = pid_of(lab, "peer2")
            # Nobody takes what peer 2 has to tell; until its lease ends it goes on by itself.
            lab.kill("tracker")
            write(f"{theirs}/same", b"theirs")
            write(f"{theirs}/own", b"own")
            os.kill(frozen, signal.SIGSTOP)
            try:
                lab.restart("tracker")
                write(f"{ours}/same", b"ours")  # waits for the frozen peer's lease to end
            finally:
                os.kill(frozen, signal.SIGCONT)

            def names():
                return sorted(os.listdir(ours))

            wait_for(lambda: len(names()) == 4, "what was made on the frozen peer")
            kept = next(name for name in names() if name.startswith("same.conflict-peer2-"))
            self.assertEqual(names(), sorted(["before", "same", "own", kept]))
            self.assertEqual(read(f"{ours}/same"), b"ours")
            wait_for(lambda: os.stat(f"{ours}/{kept}").st_size == 6, "its bytes")
            self.assertEqual(read(f"{ours}/{kept}"), b"theirs")
            self.assertEqual(tree(theirs), tree(ours))
            listed = json.loads(lab.shoal("conflicts", "--json", "--dir", lab.dir).stdout)
            self.assertEqual([(one["path"], one["peer"]) for one in listed["conflicts"]],
                             [(f"/shared/{kept}", "peer2")])

    def test_a_directory_that_another_peer_once_looked_into_is_ones_own_again(self):
        with Lab(peers=2, copies=1) as lab:
            ours, theirs = f"{lab.mnt(1)}/d", f"{lab.mnt(2)}/d"
            os.mkdir(ours)
            write(f"{ours}/file", b"old")
            self.assertEqual(read(f"{theirs}/file"), b"old")  # its pages stay in peer 2's kernel
            self.assertFalse(os.path.exists(f"{theirs}/made"))
            self.assertEqual(os.listdir(theirs), ["file"])
            number = 0

            def is_local():
                nonlocal number
                number += 1
                before = journaled(lab, 1)
                os.symlink("nowhere", f"{ours}/new{number}")
                return journaled(lab, 1) > before

            self.assertFalse(is_local(), "peer 2 has just looked")
            wait_for(is_local, "the directory to be delegated again")
            # What peer 2 had is gone from its caches, the kernel's too.
            write(f"{ours}/file", b"new bytes")
            write(f"{ours}/made", b"made")
            os.unlink(f"{ours}/new1")
            self.assertEqual(os.stat(f"{theirs}/file").st_size, 9)
            self.assertEqual(read(f"{theirs}/file"), b"new bytes")
            self.assertEqual(read(f"{theirs}/made"), b"made")
            self.assertEqual(tree(theirs), tree(ours))

    def test_a_file_that_is_open_elsewhere_keeps_its_directory_shared(self):
        with Lab(peers=2, copies=1) as lab:
            ours, theirs = f"{lab.mnt(1)}/d", f"{lab.mnt(2)}/d"
            os.mkdir(ours)
            write(f"{ours}/file", b"0000")
            with open(f"{theirs}/file", "rb", buffering=0) as reader:
                end = time.monotonic() + 15  # longer than an idle directory is kept
                number = 0
                while time.monotonic() < end:
                    number += 1
                    data = b"%04d" % number
                    write(f"{ours}/file", data)
                    write(f"{ours}/other{number}", b"")
                    reader.seek(0)
                    self.assertEqual(reader.read(), data)
                    os.unlink(f"{ours}/other{number}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
