# SPDX-License-Identifier: MIT
"""Several mounts change the same files and directories at the same time."""

import mmap
import os
import random
import subprocess
import sys
import unittest

from lab import Lab, seed, wait_for

ROUNDS = int(os.environ.get("SHOAL_ROUNDS", "40"))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def start(code, *arguments):
    """A program of its own, since two threads of one would share locks of the interpreter."""
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


COUNT_UNDER_LOCK = """
import os, sys
folder, rounds = sys.argv[1], int(sys.argv[2])
for _ in range(rounds):
    while True:
        try:
            os.close(os.open(f"{folder}/lock", os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            pass
    with open(f"{folder}/count") as file:
        count = int(file.read())
    with open(f"{folder}/count", "w") as file:
        file.write(str(count + 1))
    os.unlink(f"{folder}/lock")
"""

APPEND = """
import os, sys
path, who, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for number in range(rounds):
    line = f"{who} {number:06} {'x' * 40}\\n".encode()
    assert os.write(descriptor, line) == len(line)
"""

STORM = """
import os, random, sys
folder, start, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
generator = random.Random(start)
for _ in range(rounds):
    one, two = (f"{folder}/{generator.randrange(8)}" for _ in range(2))
    try:
        action = generator.randrange(8)
        if action < 2:
            with open(one, "wb") as out:
                out.write(bytes([generator.randrange(256)]) * generator.randrange(30_000))
        elif action == 2:
            os.unlink(one)
        elif action == 3:
            os.rename(one, two)
        elif action == 4:
            os.link(one, two)
        elif action == 5:
            os.listdir(folder)
        elif action == 6:
            with open(one, "rb") as file:
                file.read()
        else:
            os.truncate(one, 0)
    except (FileNotFoundError, FileExistsError):
        pass
"""


class Concurrency(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(peers=3).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)

    def folders(self):
        name = self._testMethodName
        os.mkdir(os.path.join(self.lab.mnt(1), name))
        return [os.path.join(self.lab.mnt(peer), name) for peer in (1, 2, 3)]

    def finish(self, programs):
        for program in programs:
            out, err = program.communicate(timeout=150)
            self.assertEqual(program.returncode, 0, out + err)

    def test_a_lock_file_excludes(self):
        folders = self.folders()
        write(f"{folders[0]}/count", b"0")
        self.finish([start(COUNT_UNDER_LOCK, folder, ROUNDS) for folder in folders[:2]])
        self.assertEqual(int(read(f"{folders[2]}/count")), 2 * ROUNDS)

    def test_no_appended_line_is_lost(self):
        folders = self.folders()
        write(f"{folders[0]}/log", b"")
        self.finish([start(APPEND, f"{folder}/log", who, ROUNDS)
                     for who, folder in enumerate(folders)])
        for folder in folders:
            lines = read(f"{folder}/log").decode().splitlines()
            expected = {f"{who} {number:06} {'x' * 40}"
                        for who in range(3) for number in range(ROUNDS)}
            self.assertEqual(sorted(expected - set(lines))[:3], [], "lost")
            self.assertEqual(len(lines), 3 * ROUNDS)

    def test_a_storm_in_one_directory_ends_in_agreement(self):
        folders = self.folders()
        begin = seed()
        self.finish([start(STORM, folder, begin + number, ROUNDS * 10)
                     for number, folder in enumerate(folders)])
        names = sorted(os.listdir(folders[0]))
        for folder in folders[1:]:
            self.assertEqual(sorted(os.listdir(folder)), names)
        for name in names:
            shown = {(os.stat(f"{folder}/{name}").st_ino, os.stat(f"{folder}/{name}").st_nlink,
                      read(f"{folder}/{name}")) for folder in folders}
            self.assertEqual(len(shown), 1, name)

    def test_attributes_set_elsewhere_win_over_unpublished_writes(self):
        here, there, _ = self.folders()
        for number in range(ROUNDS):
            path = f"file{number}"
            with open(f"{here}/{path}", "wb", buffering=0) as writer:
                writer.write(b"dirty")
                os.utime(f"{there}/{path}", ns=(5, 1_000_000_000 + number))
                self.assertEqual(os.stat(f"{there}/{path}").st_mtime_ns, 1_000_000_000 + number)
                self.assertEqual(os.fstat(writer.fileno()).st_mtime_ns, 1_000_000_000 + number)
                os.chmod(f"{there}/{path}", 0o604)
                self.assertEqual(os.fstat(writer.fileno()).st_mode & 0o777, 0o604)
            self.assertEqual(os.stat(f"{there}/{path}").st_mtime_ns, 1_000_000_000 + number)
            self.assertEqual(os.stat(f"{here}/{path}").st_mode & 0o777, 0o604)

    def test_a_file_open_for_writing_is_changed_elsewhere(self):
        here, there, _ = self.folders()
        for number in range(ROUNDS):
            path = f"file{number}"
            with open(f"{here}/{path}", "w+b", buffering=0) as writer:
                writer.write(b"0123456789")
                os.truncate(f"{there}/{path}", 4)
                self.assertEqual(os.fstat(writer.fileno()).st_size, 4)
                writer.write(b"tail")  # at offset 10
                self.assertEqual(read(f"{there}/{path}"), b"0123" + b"\0" * 6 + b"tail")
                os.rename(f"{there}/{path}", f"{there}/{path}.moved")
                writer.write(b"!")
                self.assertEqual(read(f"{there}/{path}.moved")[-5:], b"tail!")
                os.unlink(f"{there}/{path}.moved")
                writer.write(b"?")
                self.assertEqual(os.fstat(writer.fileno()).st_nlink, 0)
                self.assertEqual(os.pread(writer.fileno(), 6, 10), b"tail!?")
            self.assertFalse(os.path.exists(f"{here}/{path}.moved"))

    def test_mapped_files_are_seen_on_both_sides(self):
        here, there, _ = self.folders()
        write(f"{here}/mapped", b"a" * 20_000)
        with open(f"{here}/mapped", "r+b", buffering=0) as one, \
                open(f"{there}/mapped", "rb", buffering=0) as two, \
                mmap.mmap(one.fileno(), 20_000) as ours, \
                mmap.mmap(two.fileno(), 20_000, prot=mmap.PROT_READ) as theirs:
            for number in range(ROUNDS):
                mark = b"%06d" % number
                ours[9_000:9_006] = mark
                ours.flush()
                self.assertEqual(theirs[9_000:9_006], mark)
                self.assertEqual(os.pread(two.fileno(), 6, 9_000), mark)

    def test_readers_see_whole_versions_while_a_writer_replaces(self):
        here, there, elsewhere = self.folders()
        write(f"{here}/file", b"0" * 5_000)
        replace = start("""
import os, sys
folder, rounds = sys.argv[1], int(sys.argv[2])
for number in range(rounds):
    with open(f"{folder}/new", "wb") as out:
        out.write(b"%d" % (number % 10) * 5_000)
    os.rename(f"{folder}/new", f"{folder}/file")
""", here, ROUNDS)
        generator = random.Random(seed())
        while replace.poll() is None:
            data = read(f"{generator.choice((there, elsewhere))}/file")
            self.assertEqual(len(data), 5_000)
            self.assertEqual(len(set(data)), 1)
        self.finish([replace])
        wait_for(lambda: read(f"{there}/file") == read(f"{elsewhere}/file"), "agreement")


if __name__ == "__main__":
    unittest.main(verbosity=2)
