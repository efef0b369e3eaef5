# SPDX-License-Identifier: MIT
"""The program peerd without a mount: joining, starting, stopping, and one clear line for each mistake."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

BIN = os.environ.get("SHOAL_BIN_DIR", "build/release/bin")
SECONDS = 30.0


def run(*command, text=""):
    return subprocess.run([f"{BIN}/{command[0]}", *command[1:]], input=text, text=True,
                          capture_output=True, timeout=SECONDS, check=False)


def wait_for(condition, what):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Daemon:
    """A daemon in the background; its log is kept beside its folder."""

    def __init__(self, *command):
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        self.process = subprocess.Popen([f"{BIN}/{command[0]}", *command[1:]],
                                        stdout=self.log, stderr=self.log)

    def text(self):
        return read(self.log.name)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=SECONDS)


class Program(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="peerd-", dir="/tmp")
        self.tracker_dir = f"{self.dir}/tracker"
        made = run("trackerd", "init", "--dir", self.tracker_dir, "--name", "test", "--listen",
                   f"127.0.0.1:{free_port()}")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.daemons = []
        self.tracker = self.start("trackerd", "--dir", self.tracker_dir)
        wait_for(lambda: os.path.exists(f"{self.tracker_dir}/endpoint"), "the tracker")

    def tearDown(self):
        for daemon in self.daemons:
            daemon.stop(signal.SIGKILL)
        shutil.rmtree(self.dir)

    def start(self, *command):
        daemon = Daemon(*command)
        self.daemons.append(daemon)
        return daemon

    def invite(self):
        invited = run("shoal", "invite", "-q", "--dir", self.tracker_dir)
        self.assertEqual(invited.returncode, 0, invited.stderr)
        return invited.stdout

    def join(self, name):
        folder = f"{self.dir}/{name}"
        joined = run("peerd", "join", "-", "--dir", folder, "--name", name, text=self.invite())
        self.assertEqual(joined.returncode, 0, joined.stderr)
        return folder

    def serve(self, folder):
        daemon = self.start("peerd", "--dir", folder, "--no-mount")
        wait_for(lambda: os.path.exists(f"{folder}/ready") or daemon.process.poll() is not None,
                 "the peer to serve")
        self.assertIsNone(daemon.process.poll(), daemon.text())
        return daemon

    def fails(self, code, sentence, *command, text=""):
        """One line that says it, and the exit code."""
        done = run(*command, text=text)
        self.assertEqual(done.returncode, code, done.stderr)
        lines = [line for line in done.stderr.splitlines() if sentence in line]
        self.assertEqual(len(lines), 1, done.stderr)

    def test_joins_serves_and_ends_in_order(self):
        folder = self.join("one")
        self.assertEqual(os.stat(f"{folder}/identity.pem").st_mode & 0o777, 0o600)
        daemon = self.serve(folder)
        self.assertEqual(int(read(f"{folder}/peerd.pid")), daemon.process.pid)
        status = run("shoal", "status", "--dir", folder, "--json")
        self.assertEqual(status.returncode, 0, status.stderr)
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded" in daemon.text(), "the settings to be reloaded")
        daemon.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: "shoal_chunk_sent_bytes_total" in daemon.text(), "the counters in the log")
        self.assertEqual(daemon.stop(), 0, daemon.text())
        for name in ("ready", "peerd.pid", "control.sock"):
            self.assertFalse(os.path.exists(f"{folder}/{name}"), name)
        self.assertNotIn(" error ", daemon.text())

    def test_starts_again_after_a_kill(self):
        folder = self.join("one")
        self.serve(folder).stop(signal.SIGKILL)
        os.remove(f"{folder}/ready")
        self.assertEqual(self.serve(folder).stop(), 0)

    def test_serves_while_its_tracker_is_away_and_finds_it_again(self):
        folder = self.join("one")
        self.assertEqual(self.serve(folder).stop(), 0)
        self.tracker.stop()
        daemon = self.serve(folder)
        self.assertIn("cannot be reached, trying on", daemon.text())
        self.start("trackerd", "--dir", self.tracker_dir)
        wait_for(lambda: "session opened" in daemon.text(), "a session")
        self.assertEqual(daemon.stop(), 0)

    def test_an_invitation_works_once(self):
        invitation = self.invite()
        joined = run("peerd", "join", "-", "--dir", f"{self.dir}/a", text=invitation)
        self.assertEqual(joined.returncode, 0, joined.stderr)
        self.fails(5, "invitation is spent, expired or unknown", "peerd", "join", "-", "--dir",
                   f"{self.dir}/b", text=invitation)
        self.assertFalse(os.path.exists(f"{self.dir}/b/peerd.toml"))

    def test_says_what_is_wrong_with_an_invitation(self):
        good = self.invite().strip()
        for text, sentence in (("hello", "not an invitation"), (good[:-3], "damaged"), ("", "not")):
            self.fails(2, sentence, "peerd", "join", "-", "--dir", f"{self.dir}/c", text=text)

    def test_says_that_the_tracker_does_not_answer(self):
        invitation = self.invite()
        self.tracker.stop()
        self.fails(4, "reaching the tracker at", "peerd", "join", "-", "--dir", f"{self.dir}/d",
                   text=invitation)

    def test_does_not_join_twice_in_one_folder(self):
        folder = self.join("one")
        self.fails(1, "has joined a swarm already", "peerd", "join", "-", "--dir", folder,
                   text=self.invite())

    def test_asks_to_join_first(self):
        self.fails(1, "peerd join INVITATION", "peerd", "--dir", f"{self.dir}/nothing")

    def test_names_file_line_and_key_of_a_bad_setting(self):
        folder = self.join("one")
        self.assertEqual(run("peerd", "--dir", folder, "--check-config").returncode, 0)
        with open(f"{folder}/peerd.toml", "a", encoding="utf-8") as file:
            file.write("[log]\ncolour = 3\n")
        self.fails(2, "log.colour", "peerd", "--dir", folder, "--check-config")
        self.fails(2, "peerd.toml:", "peerd", "--dir", folder, "--no-mount")

    def test_names_a_mount_option_that_is_none(self):
        folder = self.join("one")
        self.fails(2, "-o colour", "peerd", "--dir", folder, "--no-mount", "-o", "sync,colour")

    def test_says_that_its_port_is_in_use(self):
        folder = self.join("one")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            text = read(f"{folder}/peerd.toml")
            with open(f"{folder}/peerd.toml", "w", encoding="utf-8") as file:
                file.write(text.replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"'))
            self.fails(1, "is in use", "peerd", "--dir", folder, "--no-mount")

    def test_leaves_a_folder_to_the_daemon_that_has_it(self):
        folder = self.join("one")
        daemon = self.serve(folder)
        self.fails(1, "is open in another daemon", "peerd", "--dir", folder, "--no-mount")
        self.assertEqual(int(read(f"{folder}/peerd.pid")), daemon.process.pid)
        status = run("shoal", "status", "--dir", folder)
        self.assertEqual(status.returncode, 0, status.stderr)

    def test_refuses_the_store_of_another_swarm(self):
        folder = self.join("one")
        self.serve(folder).stop()
        text = read(f"{folder}/peerd.toml")
        with open(f"{folder}/peerd.toml", "w", encoding="utf-8") as file:
            file.write(re.sub(r'id = "....', 'id = "ffff', text, count=1))
        self.fails(1, "store of another swarm", "peerd", "--dir", folder, "--no-mount")

    def test_refuses_a_tracker_that_is_another(self):
        folder = self.join("one")
        text = read(f"{folder}/peerd.toml")
        with open(f"{folder}/peerd.toml", "w", encoding="utf-8") as file:
            file.write(re.sub(r'tracker_id = "....', 'tracker_id = "ffff', text, count=1))
        done = run("peerd", "--dir", folder, "--no-mount")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertEqual(done.stderr.count(" error "), 1, done.stderr)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


if __name__ == "__main__":
    unittest.main()
