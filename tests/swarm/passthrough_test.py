# SPDX-License-Identifier: MIT
"""Files that the kernel writes by itself (-o passthrough=auto) are as coherent as all others.

Peer 1 writes through descriptors that only write, which are passed through from the first byte; the
other mount looks after every single call, before anything is closed.
"""

import json
import mmap
import os
import random
import subprocess
import sys
import unittest

from lab import Lab, seed, wait_for

ROUNDS = int(os.environ.get("SHOAL_ROUNDS", "15"))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def create(path, flags=0):
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | flags, 0o644)


class PassingLab(Lab):
    def __init__(self, peers):
        super().__init__(peers=peers, mount_options="passthrough=auto")

    def peer_status(self, peer):
        done = self.shoal("status", "--dir", os.path.join(self.dir, f"peer{peer}"), "--json", check=False)
        return json.loads(done.stdout)["peer"]

    def passed(self, peer=1):
        return self.peer_status(peer)["metrics"].get("shoal_files_passed_through_total", 0)

    def pid(self, peer):
        return next(p["pid"] for p in self.status()["peers"] if p["name"] == f"peer{peer}")

    def require_passthrough(self, test):
        """Where this machine cannot, says why. After the first file: only then all is known."""
        os.close(create(f"{self.mnt(1)}/first"))
        mode = self.peer_status(1)["mode"]
        if mode != "passthrough":
            test.skipTest(mode)
        test.assertGreater(self.passed(), 0, "nothing was passed through")


class TwoMounts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = PassingLab(peers=2).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)

    def setUp(self):
        self.lab.require_passthrough(self)
        self.before = self.lab.passed()

    def rounds(self, count=ROUNDS):
        """(round, path on the writing mount, the same on the other), in directories that only the
        writer knows, and in ones that both watch."""
        for number in range(count):
            name = f"{self._testMethodName}-{number}"
            os.mkdir(f"{self.lab.mnt(1)}/{name}")
            if number % 2 == 1:
                os.listdir(f"{self.lab.mnt(2)}/{name}")
            yield number, f"{self.lab.mnt(1)}/{name}/file", f"{self.lab.mnt(2)}/{name}/file"

    def was_passed(self, at_least=1):
        self.assertGreaterEqual(self.lab.passed() - self.before, at_least)

    def test_every_write_is_seen_while_the_file_is_open(self):
        for _, here, there in self.rounds():
            writer = create(here)
            expected = b""
            for line in range(6):
                os.write(writer, b"line %d\n" % line)
                expected += b"line %d\n" % line
                self.assertEqual(os.stat(here).st_size, len(expected))
                self.assertEqual(os.stat(there).st_size, len(expected))
                self.assertEqual(read(there), expected)
            os.pwrite(writer, b"LINE", 0)
            self.assertEqual(read(there), b"LINE" + expected[4:])
            os.close(writer)
            self.assertEqual(read(there), b"LINE" + expected[4:])
            self.assertEqual(read(here), b"LINE" + expected[4:])
        self.was_passed(ROUNDS)

    def test_large_writes_are_seen_and_none_is_lost(self):
        for _, here, there in self.rounds(4):
            data = os.urandom(9 << 20)
            writer = create(here)
            for start in range(0, len(data), 1 << 20):
                os.write(writer, data[start:start + (1 << 20)])
                if start == 4 << 20:
                    self.assertEqual(read(there), data[:5 << 20])
            self.assertEqual(read(there), data)
            os.close(writer)
            self.assertEqual(read(there), data)
        self.was_passed(4)

    def test_the_other_writes_into_the_file_that_is_open_here(self):
        for _, here, there in self.rounds():
            writer = create(here)
            os.write(writer, b"a" * 40_000)
            with open(there, "r+b", buffering=0) as other:
                os.pwrite(other.fileno(), b"B" * 10, 20_000)
                # Ours comes behind it, into the same block.
                os.pwrite(writer, b"C" * 10, 20_005)
                expected = b"a" * 20_000 + b"B" * 5 + b"C" * 10 + b"a" * 19_985
                self.assertEqual(os.pread(other.fileno(), 50_000, 0), expected)
                os.pwrite(other.fileno(), b"D" * 10, 50_000)
                expected += b"\0" * 10_000 + b"D" * 10
                self.assertEqual(os.stat(here).st_size, len(expected))
                self.assertEqual(read(here), expected)
            os.close(writer)
            self.assertEqual(read(there), expected)
            self.assertEqual(read(here), expected)

    def test_two_append_to_one_file(self):
        for _, here, there in self.rounds(6):
            first, second = create(here, os.O_APPEND), os.open(there, os.O_WRONLY | os.O_APPEND)
            expected = b""
            for line in range(10):
                for fd in (first, second):
                    text = b"%d from %d\n" % (line, fd)
                    os.write(fd, text)
                    expected += text
            self.assertEqual(read(here), expected)
            self.assertEqual(read(there), expected)
            os.close(first)
            os.close(second)

    def test_appends_at_the_same_time_all_arrive(self):
        lines = 150
        for _, here, there in self.rounds(2):
            os.close(create(here))
            script = ("import os, sys\n"
                      "fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)\n"
                      "for k in range(int(sys.argv[3])): os.write(fd, b'%s %d\\n' % (sys.argv[2].encode(), k))\n")
            writers = [subprocess.Popen([sys.executable, "-c", script, path, name, str(lines)])
                       for name, path in (("a", here), ("b", here), ("c", there))]
            for writer in writers:
                self.assertEqual(writer.wait(timeout=120), 0)
            for path in (here, there):
                got = read(path).decode().splitlines()
                self.assertEqual(sorted(got), sorted(f"{name} {k}" for name in "abc" for k in range(lines)))

    def test_readers_on_the_same_mount_see_every_write(self):
        for _, here, there in self.rounds():
            writer = create(here)
            os.write(writer, b"one")
            with open(here, "rb", buffering=0) as reader:
                self.assertEqual(reader.read(), b"one")
                os.write(writer, b"two")
                self.assertEqual(reader.read(), b"two")
                with mmap.mmap(reader.fileno(), 6, prot=mmap.PROT_READ) as mapped:
                    self.assertEqual(mapped[:], b"onetwo")
                    os.pwrite(writer, b"ONE", 0)
                    self.assertEqual(mapped[:3], b"ONE")
                with open(there, "r+b", buffering=0) as other:
                    os.pwrite(other.fileno(), b"six", 3)
                self.assertEqual(os.pread(reader.fileno(), 10, 0), b"ONEsix")
            os.close(writer)

    def test_cuts_holes_and_times(self):
        for _, here, there in self.rounds():
            writer = create(here)
            os.write(writer, b"x" * 30_000)
            os.ftruncate(writer, 10_000)
            self.assertEqual(read(there), b"x" * 10_000)
            os.pwrite(writer, b"y", 20_000)
            self.assertEqual(read(there), b"x" * 10_000 + b"\0" * 10_000 + b"y")
            os.truncate(there, 5)
            os.pwrite(writer, b"z", 7)
            self.assertEqual(read(there), b"xxxxx\0\0z")
            self.assertEqual(read(here), b"xxxxx\0\0z")
            os.posix_fallocate(writer, 0, 100)
            self.assertEqual(os.stat(there).st_size, 100)
            os.utime(here, ns=(1_000_000_000, 2_000_000_000))
            os.close(writer)
            self.assertEqual(os.stat(here).st_mtime_ns, 2_000_000_000)
            self.assertEqual(os.stat(there).st_mtime_ns, 2_000_000_000)

    def test_opening_cuts_the_file_and_passes_it_through(self):
        for _, here, there in self.rounds():
            os.close(create(here))
            with open(there, "wb") as other:
                other.write(b"of the other" * 1000)
            writer = create(here)
            self.assertEqual(read(there), b"")
            os.write(writer, b"new")
            self.assertEqual(read(there), b"new")
            with open(there, "wb") as other:
                other.write(b"cut while open here")
            os.pwrite(writer, b"CUT", 0)
            self.assertEqual(read(there), b"CUT while open here")
            os.close(writer)

    def test_names_change_while_the_file_is_open(self):
        for _, here, there in self.rounds():
            writer = create(here)
            os.write(writer, b"first ")
            os.rename(here, here + ".moved")
            os.write(writer, b"second ")
            self.assertEqual(read(there + ".moved"), b"first second ")
            with open(there + ".new", "wb") as other:
                other.write(b"in its place")
            os.rename(there + ".new", there + ".moved")
            os.write(writer, b"third")
            self.assertEqual(os.fstat(writer).st_size, 18)
            self.assertEqual(os.fstat(writer).st_nlink, 0)
            self.assertEqual(read(here + ".moved"), b"in its place")
            os.close(writer)

    def test_fsync_and_duplicates(self):
        for _, here, there in self.rounds(6):
            writer = create(here)
            twin = os.dup(writer)
            for k in range(4):
                os.write(writer, b"%d" % k)
                os.fsync(writer)
                os.write(twin, b"+")
            os.close(writer)
            os.write(twin, b"end")
            self.assertEqual(read(there), b"0+1+2+3+end")
            os.close(twin)
            self.assertEqual(read(here), b"0+1+2+3+end")

    def test_random_operations_are_the_same_everywhere(self):
        number = seed()
        for round_, here, there in self.rounds(8):
            chance = random.Random(number + round_)
            model = bytearray()
            writer = create(here)
            other = os.open(there, os.O_RDWR)
            for step in range(40):
                fd = chance.choice((writer, writer, other))
                offset, data = chance.randrange(60_000), chance.randbytes(chance.randrange(1, 9000))
                what = chance.randrange(10)
                if what < 7:
                    os.pwrite(fd, data, offset)
                    model.extend(b"\0" * max(0, offset + len(data) - len(model)))
                    model[offset:offset + len(data)] = data
                elif what == 7:
                    os.ftruncate(fd, offset)
                    del model[offset:]
                    model.extend(b"\0" * (offset - len(model)))
                elif what == 8:
                    self.assertEqual(os.fstat(fd).st_size, len(model), step)
                else:
                    self.assertEqual(os.pread(other, 80_000, 0), bytes(model), step)
            self.assertEqual(read(here), bytes(model))
            os.close(writer)
            os.close(other)
            self.assertEqual(read(here), bytes(model))
            self.assertEqual(read(there), bytes(model))


class Dying(unittest.TestCase):
    def test_what_was_written_before_the_daemon_died_is_published(self):
        with PassingLab(peers=2) as lab:
            lab.require_passthrough(self)
            path, data = f"{lab.mnt(1)}/file", os.urandom(3 << 20)
            writer = create(path)
            os.write(writer, data)
            lab.kill(1)
            # The kernel still has the file: whatever the program writes now, nobody is shown.
            try:
                os.pwrite(writer, b"after", 0)
            except OSError:
                pass
            lab.restart(1)
            seen = read(path)
            self.assertIn(seen, (data, b"after" + data[5:]))
            try:
                os.pwrite(writer, b"zombie", 0)
                os.pwrite(writer, b"zombie", 2 << 20)
            except OSError:
                pass
            self.assertEqual(read(path), seen)
            wait_for(lambda: read(f"{lab.mnt(2)}/file") == seen, "the file to be published")
            try:
                os.close(writer)
            except OSError:
                pass
            self.assertEqual(read(f"{lab.mnt(2)}/file"), seen)
            self.assertEqual(read(path), seen)


if __name__ == "__main__":
    unittest.main(verbosity=2)
