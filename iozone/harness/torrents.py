# SPDX-License-Identifier: MIT
"""A crowd of BitTorrent clients on loopback: how long until the last has the whole file.

Everything is private: a tracker in this process that answers on loopback only, one folder and one
process for each client, no DHT, no discovery, no encryption.
"""

import contextlib
import http.server
import os
import subprocess
import threading
import time
import urllib.parse

from . import bencode
from .programs import TOOLS, find_tool, library_folders

HERE = os.path.dirname(os.path.abspath(__file__))
ANNOUNCE_SECONDS = 5
# A crowd that has not finished by then never will.
CROWD_SECONDS_MAX = 300


class Announcements(http.server.BaseHTTPRequestHandler):
    """Remembers who announced itself, and tells of all the others."""

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        port = int(query.get("port", ["0"])[0])
        with self.server.lock:
            others = [known for known in self.server.ports if known != port]
            if port and port not in self.server.ports:
                self.server.ports.append(port)
        body = bencode.peers(others, ANNOUNCE_SECONDS)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def tracker():
    """(address, ports of those that announced themselves) of a tracker that runs meanwhile."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Announcements)
    server.lock, server.ports = threading.Lock(), []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/announce", server.ports
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Aria2:
    def __init__(self):
        self.path, self.env = find_tool("aria2c")

    def command(self, folder, torrent, seeds):
        """seeds: the folder has the file already. Creates folder/done when all is there."""
        words = [self.path, "--no-conf", "--enable-dht=false", "--enable-dht6=false",
                 "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--disable-ipv6=true",
                 "--interface=127.0.0.1", "--bt-min-crypto-level=plain", "--listen-port=20000-60000",
                 f"--bt-tracker-interval={ANNOUNCE_SECONDS}", "--seed-ratio=0.0",
                 "--file-allocation=none", "--summary-interval=0", f"--dir={folder}"]
        if seeds:
            words += ["--bt-seed-unverified=true", "--allow-overwrite=true"]
        else:
            script = os.path.join(folder, "on-done")
            with open(script, "w") as file:
                file.write(f"#!/bin/sh\n: >'{folder}/done'\n")
            os.chmod(script, 0o755)
            words.append(f"--on-bt-download-complete={script}")
        return [*words, torrent], self.env


class Libtorrent:
    PYTHON = "/usr/bin/python3"

    def __init__(self):
        self.env = dict(os.environ)
        packages = os.path.join(TOOLS, "usr", "lib", "python3", "dist-packages")
        if os.path.isdir(packages):
            self.env.update(PYTHONPATH=packages, LD_LIBRARY_PATH=":".join(library_folders()))
        subprocess.run([self.PYTHON, "-c", "import libtorrent"], env=self.env, check=True,
                       capture_output=True)

    def command(self, folder, torrent, seeds):
        return [self.PYTHON, "-B", os.path.join(HERE, "torrent_peer.py"), folder, torrent,
                "seed" if seeds else "fetch"], self.env


def client(name):
    """The client of that name; None when it is not here."""
    try:
        return {"aria2": Aria2, "libtorrent": Libtorrent}[name]()
    except (TypeError, OSError, subprocess.CalledProcessError):
        return None


def crowd_seconds(which, folder, content, receivers, log):
    """Seconds from the start of all receivers until the last has the whole file.

    Errors: RuntimeError when one ended early or it took too long.
    """
    with tracker() as (announce, ports), contextlib.ExitStack() as stack:
        torrent = os.path.join(folder, "file.torrent")
        with open(torrent, "wb") as file:
            file.write(bencode.torrent("file", content, announce))
        output = stack.enter_context(open(log, "w"))

        def start(number):
            own = os.path.join(folder, f"client-{number}")
            os.mkdir(own)
            if number == 0:
                with open(os.path.join(own, "file"), "wb") as file:
                    file.write(content)
            command, env = which.command(own, torrent, number == 0)
            process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, cwd=own)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return own, process

        seeder = start(0)[1]
        _wait(lambda: ports, [seeder], "the seeder to announce itself")
        begun = time.monotonic()
        clients = [start(number) for number in range(1, receivers + 1)]
        _wait(lambda: all(os.path.exists(os.path.join(own, "done")) for own, _ in clients),
              [seeder, *(process for _, process in clients)], "the last to be done")
        taken = time.monotonic() - begun
        for own, _ in clients:
            with open(os.path.join(own, "file"), "rb") as file:
                if file.read() != content:
                    raise RuntimeError("a client has other bytes than the seeder")
        return taken


def _wait(condition, processes, what):
    end = time.monotonic() + CROWD_SECONDS_MAX
    while not condition():
        if any(process.poll() is not None for process in processes):
            raise RuntimeError(f"a client ended while we waited for {what}")
        if time.monotonic() > end:
            raise RuntimeError(f"waited {CROWD_SECONDS_MAX} s in vain for {what}")
        time.sleep(0.005)  # between two polls of a condition; small beside what is measured
