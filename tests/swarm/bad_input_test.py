# SPDX-License-Identifier: MIT
"""Real programs meet what can be wrong outside of them: strangers and garbage on their ports, damaged
files in their folders, holders with bad bytes, disks that are full. Each is one clear line or a counter,
and everybody else's work goes on."""

import errno
import glob
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import unittest

from lab import BIN, Lab, wait_for

TRACKERD, PEERD = (os.path.abspath(os.path.join(BIN, name)) for name in ("trackerd", "peerd"))
# A daemon that refuses to start does so at once; one that goes on is stopped after this.
START_SECONDS = 20


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def scribble(path, offset=0, length=None):
    """Overwrites a part of a file with bytes that are surely others."""
    with open(path, "r+b") as file:
        file.seek(offset)
        old = file.read(length)
        file.seek(offset)
        file.write(bytes(byte ^ 0x5A for byte in old))


def log_of(lab, daemon):
    return read(f"{lab.dir}/{daemon}/log").decode(errors="replace")


def errors_in(lab, daemon):
    return [line for line in log_of(lab, daemon).splitlines() if " error " in line]


def peer_counters(lab, peer):
    done = lab.shoal("status", "--dir", f"{lab.dir}/peer{peer}", "--json", check=False)
    return json.loads(done.stdout)["peer"]["metrics"]


def tracker_counters(lab):
    """What SIGUSR1 makes it log: the last value of each counter."""
    asked = log_of(lab, "tracker").count("shoal_connections ")
    os.kill(int(read(f"{lab.dir}/tracker/trackerd.pid")), signal.SIGUSR1)
    wait_for(lambda: log_of(lab, "tracker").count("shoal_connections ") > asked, "the counters")
    words = (line.split()[-2:] for line in log_of(lab, "tracker").splitlines() if " shoal_" in line)
    return {name: int(value) for name, value in words if name.startswith("shoal_")}


class Strangers(unittest.TestCase):
    """What anybody on the network can send."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(peers=2).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        status = cls.lab.status()
        cls.ports = {"tracker": status["tracker"]["endpoint"],
                     "peer1": read(f"{cls.lab.dir}/peer1/ready").decode().splitlines()[1]}
        cls.pem = f"{cls.lab.dir}/stranger.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", cls.pem,
                        "-out", cls.pem + ".crt", "-subj", "/CN=stranger"],
                       check=True, capture_output=True)

    def connect(self, daemon):
        host, port = self.ports[daemon].rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=30)
        self.addCleanup(connection.close)
        return connection

    def connect_tls(self, daemon, with_key=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if with_key:
            context.load_cert_chain(self.pem + ".crt", self.pem)
        connection = context.wrap_socket(self.connect(daemon))
        self.addCleanup(connection.close)
        return connection

    def counters(self, daemon):
        return tracker_counters(self.lab) if daemon == "tracker" else peer_counters(self.lab, 1)

    def grows(self, daemon, counter, act):
        """The daemon counts it, and is as well as before."""
        before = self.counters(daemon).get(counter, 0)
        act()
        wait_for(lambda: self.counters(daemon).get(counter, 0) > before, f"{counter} of {daemon}")
        name = f"{self.lab.mnt(1)}/{self._testMethodName}"
        write(name, b"still here")
        self.assertEqual(read(f"{self.lab.mnt(2)}/{self._testMethodName}"), b"still here")
        self.assertEqual(errors_in(self.lab, daemon), [])

    def ended(self, connection):
        """The daemon has ended the connection; what it may have said before does not matter."""
        try:
            while connection.recv(4096):
                pass
        except OSError:
            pass

    def test_bytes_that_are_no_handshake_are_counted(self):
        for daemon in self.ports:
            for garbage in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 64, b"\x16\x03\x01\xff\xff"):
                def send(garbage=garbage, daemon=daemon):
                    connection = self.connect(daemon)
                    connection.sendall(garbage)
                    connection.shutdown(socket.SHUT_WR)
                    self.ended(connection)
                self.grows(daemon, "shoal_handshakes_failed_total", send)

    def test_who_has_no_key_is_refused(self):
        for daemon in self.ports:
            def visit(daemon=daemon):
                try:
                    self.ended(self.connect_tls(daemon, with_key=False))
                except OSError:
                    pass
            self.grows(daemon, "shoal_handshakes_failed_total", visit)

    def test_a_key_that_is_no_members_gets_nowhere_at_a_peer(self):
        def visit():
            stranger = self.connect_tls("peer1")
            stranger.sendall(stranger.recv(64))  # the preamble, as both sides say it
            self.ended(stranger)
        self.grows("peer1", "shoal_peer_strangers_refused_total", visit)

    def test_another_protocol_version_is_refused(self):
        for daemon in self.ports:
            def visit(daemon=daemon):
                stranger = self.connect_tls(daemon)
                preamble = bytearray(stranger.recv(64))
                preamble[6:] = b"\xff" * (len(preamble) - 6)
                stranger.sendall(bytes(preamble))
                self.ended(stranger)
            self.grows(daemon, "shoal_handshakes_failed_total", visit)

    def test_frames_that_break_the_protocol_end_the_connection(self):
        header = {
            "garbage": bytes(range(24)),
            "oversized": b"\xff" * 24,
            "an answer to nothing": bytes(24),
        }
        for name, frame in header.items():
            with self.subTest(name):
                def visit(frame=frame):
                    stranger = self.connect_tls("tracker")
                    stranger.sendall(stranger.recv(64))
                    stranger.sendall(frame)
                    self.ended(stranger)
                self.grows("tracker", "shoal_protocol_violations_total", visit)
        warned = [line for line in log_of(self.lab, "tracker").splitlines() if "connection ended" in line]
        self.assertTrue(all("remote=" in line and "address=127.0.0.1" in line for line in warned))
        self.assertEqual(len(warned), len(header))


class Damage(unittest.TestCase):
    """Files that are not as the daemons left them."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(peers=1, copies=1).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        for number in range(200):
            write(f"{cls.lab.mnt(1)}/{number}", os.urandom(100))
        cls.lab.shoal("lab", "stop", "--dir", cls.lab.dir)

    def copy(self, daemon):
        folder = f"{self.lab.dir}/{self._testMethodName}-{daemon}"
        shutil.copytree(f"{self.lab.dir}/{daemon}", folder, symlinks=True,
                        ignore=shutil.ignore_patterns("mnt", "log"))
        self.addCleanup(shutil.rmtree, folder)
        return folder

    def refuses(self, folder, *words, program=TRACKERD):
        """Does not start, and says so in one line that names the place."""
        options = ["--no-mount"] if program == PEERD else []
        done = subprocess.run([program, "--dir", folder, *options], capture_output=True, text=True,
                              timeout=START_SECONDS, check=False)
        self.assertNotEqual(done.returncode, 0, done.stderr)
        lines = [line for line in done.stderr.splitlines()
                 if " error " in line or line.startswith(os.path.basename(program))]
        self.assertEqual(len(lines), 1, done.stderr)
        for word in (folder, *words):
            self.assertIn(word, lines[0])
        self.assertNotIn("PRAGMA", lines[0])

    def test_a_damaged_tracker_database_is_named_and_left_alone(self):
        for damage, word in ((lambda path: scribble(path, 0, 4096), "not a database"),
                             (lambda path: os.truncate(path, 5000), "malformed"),
                             (lambda path: os.truncate(path, 0), "no tables"),
                             (os.remove, "unable to open")):
            folder = self.copy("tracker")
            path = f"{folder}/tracker.db"
            damage(path)
            left = read(path) if os.path.exists(path) else b""
            self.refuses(folder, "tracker.db", word, "good copy")
            if left:
                self.assertEqual(read(path), left)
            self.doCleanups()

    def test_a_damaged_key_is_named(self):
        for daemon, program in (("tracker", TRACKERD), ("peer1", PEERD)):
            folder = self.copy(daemon)
            write(f"{folder}/identity.pem", b"no key")
            self.refuses(folder, "identity.pem", program=program)

    def test_a_key_that_others_can_read_is_refused(self):
        folder = self.copy("tracker")
        os.chmod(f"{folder}/identity.pem", 0o644)
        self.refuses(folder, "chmod 600")

    def test_an_unknown_setting_is_named_with_its_line(self):
        for daemon, program in (("tracker", TRACKERD), ("peer1", PEERD)):
            folder = self.copy(daemon)
            with open(f"{folder}/{program.rsplit('/', 1)[1]}.toml", "a", encoding="utf-8") as file:
                file.write("[log]\ncolour = 3\n")
            self.refuses(folder, ".toml:", "log.colour", program=program)

    def test_a_damaged_index_is_named_and_blobs_stay(self):
        folder = self.copy("peer1")
        scribble(f"{folder}/store/index.db", 0, 4096)
        blobs = sorted(glob.glob(f"{folder}/store/blobs/*/*"))
        self.assertTrue(blobs)
        self.refuses(folder, "index.db", "damaged", "lost+found", program=PEERD)
        self.assertEqual(sorted(glob.glob(f"{folder}/store/blobs/*/*")), blobs)

    def test_a_store_of_another_kind_or_swarm_is_refused(self):
        folder = self.copy("peer1")
        write(f"{folder}/store/format", b"something else\n")
        self.refuses(folder, "store/format", program=PEERD)

    def test_a_port_in_use_is_named_with_its_setting(self):
        folder = self.copy("tracker")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            settings = read(f"{folder}/trackerd.toml").decode().splitlines()
            settings = [f'listen = "{address}"' if line.startswith("listen") else line
                        for line in settings]
            write(f"{folder}/trackerd.toml", "\n".join(settings).encode())
            self.refuses(folder, address, "trackerd.toml", "in use")

    @unittest.skipUnless(os.geteuid() == 0, "only root can mount a folder read-only")
    def test_a_store_that_cannot_be_written_is_named(self):
        folder = self.copy("peer1")
        subprocess.run(["mount", "--bind", "-o", "ro", f"{folder}/store", f"{folder}/store"], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", f"{folder}/store"], check=True)
        self.refuses(folder, "store", "ead-only", program=PEERD)


class BadBytes(unittest.TestCase):
    """Holders whose disk gives back something else than was written."""

    def read_past_bad_copies(self, lab):
        """Files whose copies on peer 1 are spoilt, read where nothing of them is yet."""
        contents = {f"file-{number}": os.urandom(40_000 + number) for number in range(12)}
        for name, data in contents.items():
            write(f"{lab.mnt(1)}/{name}", data)
        lab.wait_copied()
        found = json.loads(lab.shoal("find", "file-", "--dir", f"{lab.dir}/peer1", "--json").stdout)
        holders = {file["path"][1:]: {holder["name"] for holder in file["holders"]}
                   for file in found["found"]}
        for path in glob.glob(f"{lab.dir}/peer1/store/blobs/*/*"):
            if not path.endswith(".leaves"):
                scribble(path)
        for name, data in contents.items():
            reader = "peer3" if "peer2" in holders[name] else "peer2"
            self.assertEqual(read(f"{lab.dir}/{reader}/mnt/{name}"), data)
        return contents

    def test_who_sends_bytes_that_do_not_hash_is_named_and_not_believed(self):
        with Lab(peers=2, copies=1) as lab:
            data = os.urandom(40_000)
            write(f"{lab.mnt(1)}/file", data)
            lab.wait_copied()
            for path in glob.glob(f"{lab.dir}/peer1/store/blobs/*/*"):
                scribble(path)
            with self.assertRaises(OSError) as caught:
                read(f"{lab.mnt(2)}/file")
            self.assertEqual(caught.exception.errno, errno.EIO)
            self.assertGreater(peer_counters(lab, 2).get("shoal_chunk_verify_failures_total", 0), 0)
            self.assertIn("peer peer1 sent bytes that do not hash", log_of(lab, "peer2"))

    def test_bytes_that_do_not_hash_are_never_shown(self):
        with Lab(peers=3, copies=2) as lab:
            contents = self.read_past_bad_copies(lab)

            # A crash makes a peer look at its own blobs again; what is bad it fetches anew.
            lab.kill(1)
            lab.restart(1)
            for name, data in contents.items():
                self.assertEqual(read(f"{lab.mnt(1)}/{name}"), data)
            self.assertRegex(log_of(lab, "peer1"), r"re-verified blobs=\d+ dropped_blocks=[1-9]")


@unittest.skipUnless(os.geteuid() == 0, "only root can mount a small disk")
class FullDisk(unittest.TestCase):
    """A disk that is full fails what needs it, by ENOSPC; nothing else, and only until there is room."""

    def start(self, folder, size):
        lab = Lab(peers=2, copies=2)
        small = f"{lab.dir}/{folder}"
        os.makedirs(small, mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "shoal-test", small],
                       check=True)
        self.addCleanup(shutil.rmtree, lab.dir, ignore_errors=True)
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
        lab.__enter__()
        self.addCleanup(lab.__exit__, None, None, None)
        return lab, small

    def fails_full(self, act):
        with self.assertRaises(OSError) as caught:
            act()
        self.assertEqual(caught.exception.errno, errno.ENOSPC)

    def test_of_a_writer_leaves_whole_files_and_goes_on_when_there_is_room(self):
        lab, _ = self.start("peer1/store", "16m")
        data = os.urandom(3 << 20)
        write(f"{lab.mnt(1)}/first", data)

        def fill():
            for number in range(8):
                write(f"{lab.mnt(1)}/more-{number}", data)
        self.fails_full(fill)
        self.assertEqual(read(f"{lab.mnt(2)}/first"), data)
        for name in os.listdir(lab.mnt(2)):
            self.assertEqual(read(f"{lab.mnt(2)}/{name}"), read(f"{lab.mnt(1)}/{name}"))
            os.unlink(f"{lab.mnt(2)}/{name}")
        self.goes_on(lab, data)

    def goes_on(self, lab, data):
        def works():
            try:
                write(f"{lab.mnt(1)}/again", data)
                return True
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOSPC)
                return False
        wait_for(works, "room again")
        self.assertEqual(read(f"{lab.mnt(2)}/again"), data)
        lab.wait_copied()

    def test_of_a_holder_is_counted_and_keeps_nobody_from_reading(self):
        lab, _ = self.start("peer2/store", "16m")
        contents = {f"file-{number}": os.urandom(2 << 20) for number in range(10)}
        for name, data in contents.items():
            write(f"{lab.mnt(1)}/{name}", data)
        wait_for(lambda: peer_counters(lab, 2).get("shoal_store_full_total", 0) > 0, "the disk to be full")
        self.assertGreater(lab.status()["health"]["under"], 0)
        for name, data in contents.items():
            self.assertEqual(read(f"{lab.mnt(2)}/{name}"), data, "a full store is no reason not to read")
        self.assertGreater(peer_counters(lab, 2)["shoal_reads_aside_total"], 0)
        self.assertGreater(lab.status()["health"]["under"], 0, "what was not kept is no copy")
        for name in contents:
            os.unlink(f"{lab.mnt(2)}/{name}")
        data = os.urandom(3 << 20)
        write(f"{lab.mnt(1)}/again", data)
        self.assertEqual(read(f"{lab.mnt(2)}/again"), data)

    def test_of_the_tracker_refuses_changes_and_loses_none(self):
        lab, small = self.start("tracker", "2m")
        made = []

        def fill(peer):
            for number in range(20_000):
                name = f"{peer}-{number:0200}"
                os.mkdir(f"{lab.mnt(peer)}/{name}")
                made.append(name)
        self.fails_full(lambda: fill(1))
        self.fails_full(lambda: fill(2))
        self.assertEqual(len(errors_in(lab, "tracker")), 1, "one line, however many changes fail")
        self.assertIn("full", errors_in(lab, "tracker")[0])
        subprocess.run(["mount", "-o", "remount,size=32m", small], check=True)
        os.mkdir(f"{lab.mnt(2)}/other")
        lab.kill("tracker")
        lab.restart("tracker")
        self.assertEqual(sorted(os.listdir(lab.mnt(1))), sorted(made + ["other"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
