# SPDX-License-Identifier: MIT
"""What holds while daemons die: reads go on while a holder lives, and end when none does."""

import ctypes
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from lab import Lab, wait_for

# The mount's budget for a read that nobody can serve is 10 s; beyond this a read counts as hanging.
BUDGET_SECONDS = 25.0


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def give_name(file, path):
    """linkat of an open file; os.link cannot say that the link in /proc is to be followed."""
    libc = ctypes.CDLL(None, use_errno=True)
    at_fdcwd, follow = -100, 0x400
    if libc.linkat(at_fdcwd, b"/proc/self/fd/%d" % file, at_fdcwd, os.fsencode(path), follow) != 0:
        raise OSError(ctypes.get_errno(), path)


def sleeps_with(pid, path):
    """Whether a process has the file open and waits in the kernel, as a read of it does."""
    try:
        opened = any(os.readlink(f"/proc/{pid}/fd/{fd}") == path for fd in os.listdir(f"/proc/{pid}/fd"))
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return opened and file.read().rsplit(")", 1)[1].split()[0] in "SD"
    except OSError:
        return False


class Failure(unittest.TestCase):
    def test_files_survive_the_peer_that_wrote_them(self):
        with Lab(peers=3, copies=2) as lab:
            contents = {f"file-{k}": os.urandom(1000 * k * k) for k in range(40)}
            for name, data in contents.items():
                write(f"{lab.mnt(1)}/{name}", data)
            lab.wait_copied()
            lab.kill(1)
            for name, data in contents.items():
                self.assertEqual(read(f"{lab.mnt(3)}/{name}"), data)
                self.assertEqual(read(f"{lab.mnt(2)}/{name}"), data)
            write(f"{lab.mnt(2)}/written-meanwhile", b"news")
            lab.restart(1)
            self.assertEqual(read(f"{lab.mnt(1)}/written-meanwhile"), b"news")

    def test_a_read_that_nobody_can_serve_is_an_error_in_time(self):
        with Lab(peers=2, copies=1) as lab:
            data = os.urandom(3_000_000)
            write(f"{lab.mnt(1)}/only-here", data)
            self.assertEqual(os.stat(f"{lab.mnt(2)}/only-here").st_size, len(data))
            write(f"{lab.mnt(1)}/mapped", data)
            os.stat(f"{lab.mnt(2)}/mapped")
            lab.wait_copied()  # closing does not wait for the tracker
            lab.kill(1)
            began = time.monotonic()
            mapped = subprocess.Popen(
                [sys.executable, "-c", "import mmap, sys; f = open(sys.argv[1], 'rb');"
                 "print(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[2_000_000])",
                 f"{lab.mnt(2)}/mapped"], stderr=subprocess.DEVNULL)
            with self.assertRaises(OSError) as caught:
                read(f"{lab.mnt(2)}/only-here")
            self.assertEqual(caught.exception.errno, errno.EIO)
            self.assertLess(time.monotonic() - began, BUDGET_SECONDS)
            # The kernel asks for a mapped page several times before it gives up.
            self.assertEqual(mapped.wait(timeout=BUDGET_SECONDS), -signal.SIGBUS)
            self.assertEqual(os.stat(f"{lab.mnt(2)}/only-here").st_size, len(data))
            lab.restart(1)
            wait_for(lambda: lab.status()["health"]["unavailable"] == 0, "the holder to be back")
            self.assertEqual(read(f"{lab.mnt(2)}/only-here"), data)

    def test_a_waiting_read_can_be_interrupted(self):
        with Lab(peers=2, copies=1) as lab:
            path = f"{lab.mnt(2)}/only-here"
            write(f"{lab.mnt(1)}/only-here", os.urandom(300_000))
            os.stat(path)
            lab.kill(1)
            python = [sys.executable, "-c", "import sys; open(sys.argv[1], 'rb', 0).read()", path]
            for number, command in ((signal.SIGINT, ["cat", path]),
                                    (signal.SIGINT, ["md5sum", path]),
                                    (signal.SIGTERM, ["dd", f"if={path}", "iflag=direct", "of=/dev/null"]),
                                    (signal.SIGKILL, python)):
                reader = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL)
                wait_for(lambda: sleeps_with(reader.pid, path), "the program to read")
                began = time.monotonic()
                reader.send_signal(number)
                self.assertEqual(reader.wait(timeout=BUDGET_SECONDS), -number, command)
                self.assertLess(time.monotonic() - began, 5.0, command)

    def test_the_tracker_comes_back_and_work_goes_on(self):
        with Lab(peers=2, copies=2) as lab:
            write(f"{lab.mnt(1)}/before", b"1")
            self.assertEqual(read(f"{lab.mnt(2)}/before"), b"1")
            lab.kill("tracker")
            lab.restart("tracker")
            self.assertEqual(read(f"{lab.mnt(2)}/before"), b"1")
            write(f"{lab.mnt(2)}/after", b"2")
            self.assertEqual(read(f"{lab.mnt(1)}/after"), b"2")

    def test_what_a_killed_writer_had_closed_is_there_after_its_restart(self):
        with Lab(peers=2, copies=1) as lab:
            contents = {f"file-{k}": os.urandom(20_000) for k in range(50)}
            for name, data in contents.items():
                write(f"{lab.mnt(1)}/{name}", data)
            lab.kill(1)
            lab.restart(1)
            for name, data in contents.items():
                self.assertEqual(read(f"{lab.mnt(2)}/{name}"), data)

    def test_a_nameless_file_that_gets_a_name_keeps_its_bytes(self):
        with Lab(peers=2, copies=2) as lab:
            contents = {}
            for name, when in (("early", "link, write"), ("late", "write, link"),
                               ("both", "write, link, write"), ("synced", "write, fsync, link")):
                try:
                    file = os.open(lab.mnt(1), os.O_TMPFILE | os.O_RDWR, 0o640)
                except OSError as error:
                    if error.errno != errno.EOPNOTSUPP:
                        raise
                    self.skipTest("this libfuse does not pass O_TMPFILE on")
                contents[name] = b""
                for step in when.split(", "):
                    if step == "write":
                        data = os.urandom(70_000)
                        os.write(file, data)
                        contents[name] += data
                    elif step == "fsync":
                        os.fsync(file)
                    else:
                        give_name(file, f"{lab.mnt(1)}/{name}")
                os.close(file)
            lab.kill(1)
            lab.restart(1)
            for name, data in contents.items():
                self.assertEqual(read(f"{lab.mnt(1)}/{name}"), data, name)
                self.assertEqual(read(f"{lab.mnt(2)}/{name}"), data, name)
            # Nobody keeps what never got a name.
            self.assertEqual(sorted(os.listdir(lab.mnt(2))), sorted(contents))

    def test_a_frozen_peer_serves_nothing_old_and_comes_back(self):
        with Lab(peers=2, copies=2) as lab:
            write(f"{lab.mnt(1)}/file", b"old")
            self.assertEqual(read(f"{lab.mnt(2)}/file"), b"old")
            locked, elsewhere = (os.open(f"{lab.mnt(peer)}/lock", os.O_RDWR | os.O_CREAT)
                                 for peer in (2, 1))
            fcntl.flock(locked, fcntl.LOCK_EX)
            frozen = next(p["pid"] for p in lab.status()["peers"] if p["name"] == "peer2")
            os.kill(frozen, signal.SIGSTOP)
            try:
                write(f"{lab.mnt(1)}/file", b"new")  # waits for the frozen peer's lease to end
                fcntl.flock(elsewhere, fcntl.LOCK_EX)
                os.write(elsewhere, b"mine now")
            finally:
                os.kill(frozen, signal.SIGCONT)
            self.assertEqual(read(f"{lab.mnt(2)}/file"), b"new")
            # Whoever had the lock does not go on as if it still had it.
            with self.assertRaises(OSError) as caught:
                os.write(locked, b"mine still")
            self.assertEqual(caught.exception.errno, errno.EIO)
            os.close(locked)
            os.close(elsewhere)
            self.assertEqual(read(f"{lab.mnt(2)}/lock"), b"mine now")

    def test_a_peer_that_lost_its_store_is_not_counted_on(self):
        with Lab(peers=3, copies=2) as lab:
            contents = {f"file-{k}": os.urandom(20_000 * k + 1) for k in range(20)}
            for name, data in contents.items():
                write(f"{lab.mnt(1)}/{name}", data)
            lab.wait_copied()
            lab.kill(1)
            shutil.rmtree(f"{lab.dir}/peer1/store")
            lab.restart(1)
            # Its promises are void, so what it had is copied again, to it or to others.
            wait_for(lambda: not os.path.exists(f"{lab.dir}/peer1/store/began-anew"),
                     "the tracker to hear of it")
            lab.wait_copied()
            lab.kill(2)
            for name, data in contents.items():
                self.assertEqual(read(f"{lab.mnt(3)}/{name}"), data)

    def test_several_labs_live_side_by_side(self):
        with Lab(peers=1, copies=1) as one, Lab(peers=1, copies=1) as two:
            write(f"{one.mnt(1)}/file", b"one")
            write(f"{two.mnt(1)}/file", b"two")
            self.assertEqual(read(f"{one.mnt(1)}/file"), b"one")
            self.assertEqual(read(f"{two.mnt(1)}/file"), b"two")


if __name__ == "__main__":
    unittest.main(verbosity=2)
