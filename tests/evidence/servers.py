"""Services that the ledger talks to, each real, on a free loopback port, stopped when the test ends."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONFIG = """
[ req ]
distinguished_name = dn
[ dn ]
[ root ]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[ tsa ]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
[ ts ]
default_tsa = ts_default
[ ts_default ]
serial = {folder}/serial
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
signer_digest = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@contextlib.contextmanager
def answering(answer: Callable[[str, bytes], tuple[int, str, bytes]]) -> Iterator[str]:
    """A server whose POSTs `answer(path, body)` with status, type and body; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, said = answer(self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Authority:
    """A time-stamp authority by `openssl ts`: a root, and a certificate for time-stamping under it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.config = folder / "openssl.cnf"
        self.config.write_text(CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        new = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-config", "openssl.cnf"]
        root = ["-x509", "-days", "30", "-extensions", "root", "-subj", "/CN=Example Root"]
        self._run(*new, *root, "-keyout", "root.key", "-out", "root.pem")
        self._run(*new, "-subj", "/CN=Example Time-Stamp Authority", "-keyout", "tsa.key", "-out", "tsa.csr")
        under = ["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "30"]
        extensions = ["-extfile", "openssl.cnf", "-extensions", "tsa"]
        self._run("x509", "-req", "-in", "tsa.csr", *under, *extensions, "-out", "tsa.pem")
        self.roots = (folder / "root.pem").read_bytes()

    def answer(self, _path: str, query: bytes) -> tuple[int, str, bytes]:
        (self.folder / "query.tsq").write_bytes(query)
        self._run("ts", "-reply", "-config", "openssl.cnf", "-section", "ts_default", "-queryfile", "query.tsq",
                  "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "reply.tsr")  # fmt: skip
        return 200, "application/timestamp-reply", (self.folder / "reply.tsr").read_bytes()

    def holds(self, token: bytes, message: bytes) -> bool:
        """What `openssl ts -verify` says."""
        (self.folder / "token.tsr").write_bytes(token)
        (self.folder / "message").write_bytes(message)
        command = ["openssl", "ts", "-verify", "-in", "token.tsr", "-data", "message", "-CAfile", "root.pem"]
        return subprocess.run(command, cwd=self.folder, capture_output=True, check=False).returncode == 0

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
