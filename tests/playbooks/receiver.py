"""A receiver of orders as a gateway would be: TLS, one effect for each idempotency key, answers that a test chooses."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Receiver:
    """What it was asked, and what it did: `effects` has each idempotency key once."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.effects: dict[str, dict[str, Any]] = {}
        self.answers: list[tuple[int, bytes]] = []
        self.port = 0
        self.delay_s = 0.0
        self.woken = threading.Event()

    def take(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        self.requests.append(asked)
        status, body = self.answers.pop(0) if self.answers else (200, b'{"limit": 7, "who": "gateway"}')
        if status == 200:
            self.effects.setdefault(asked["headers"]["Idempotency-Key"], asked)
        return status, body


@contextlib.contextmanager
def receiver(folder: Path) -> Iterator[Receiver]:
    """A running receiver; `folder / "ca.pem"` is what a client must trust (SSL_CERT_FILE)."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            asked = {
                "method": self.command, "path": self.path, "headers": dict(self.headers),
                "body": self.rfile.read(length),
            }  # fmt: skip
            status, body = made.take(asked)
            made.woken.wait(made.delay_s)
            with contextlib.suppress(OSError):  # whoever asked may be gone
                self.say(status, body)

        def say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "https://elsewhere.example/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *given: Any) -> None:
            """Say nothing."""

    _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.woken.set()
        server.shutdown()
        server.server_close()
        thread.join()


def body_of(asked: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked["body"])
    return found


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )  # fmt: skip
