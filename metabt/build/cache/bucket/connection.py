"""Requests to a bucket: sent again where an answer is lost, late or "come back later", until PATIENCE is over.

1. A request that a server cannot answer now (500, 502, 503, 504, 429), that times out or whose connection breaks is
   sent again, after a pause that doubles, with chance in it so that many clients do not come at once.
2. `put` with `absent` states that the name must be free (`If-None-Match: *`). Where an earlier answer was lost, "taken"
   may mean by ourselves: what is there is read back, and the same SHA-256 means that it was.
3. A server for which patience is over is left alone for REST, and then asked once: what is computed meanwhile does not
   wait for it again.
4. What remains is an OSError: FileNotFoundError for a name that is not there, PermissionError for a request that is not
   allowed. Its text has the request, the server's word for the error and its code; never what was signed.
"""

from __future__ import annotations

import errno
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

from metabt.build.cache.bucket.client import Access, Client, access_of, connected
from metabt.values.bucket_address import Server

PATIENCE = 45.0
"""Seconds after which a request is not sent again; the last one may take TIMEOUT more."""
REST = 60.0
"""Seconds for which a server is not asked after patience is over."""
PAUSE, LONGEST = 0.05, 3.0
"""Seconds of the first pause, and of the longest."""
AGAIN = {408, 429, 500, 502, 503, 504}
"""HTTP codes that say to come back later."""
AGAIN_WORDS = {"ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "SlowDown", "InternalError"}
"""Words for an error that say so too."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Facts:
    """What is known of an object without its bytes."""

    name: str
    """Its whole name in the bucket."""
    size: int
    """Bytes."""
    tag: str
    """What the server tells it from other bytes by."""
    changed: float
    """When it was written, seconds since the epoch."""


class Taken(Exception):
    """The name is not free, or not what it was."""


class Connection:
    """One bucket of one server, for many threads; connected with the first request."""

    def __init__(self, server: Server, bucket: str, patience: float = PATIENCE) -> None:
        self.server, self.bucket = server, bucket
        self._patience, self._hope = patience, patience
        self._rest_until = 0.0
        self._lock = threading.Lock()
        self._made: Client | None = None

    @property
    def endpoint(self) -> str:
        """Address of the server that is asked."""
        return str(self._client().meta.endpoint_url)

    def access(self) -> Access:
        """Return how another client gets in as this one does.

        Raises
        ------
        PermissionError
            When AWS' chain finds no credentials, or those that it finds cannot be renewed.
        """
        self._client()
        assert self._made is not None
        try:
            return access_of(self._made)
        except _errors() as error:
            raise self._translated("credentials", "", error) from None

    @property
    def rests(self) -> bool:
        """Whether the server is left alone, since it was out of reach a moment ago."""
        return time.monotonic() < self._rest_until

    def put(self, name: str, data: bytes, *, absent: bool = False) -> bool:
        """Write an object whole; with `absent` only where the name is free, and return False where it is not."""
        lost = False

        def send() -> None:
            nonlocal lost
            condition = {"IfNoneMatch": "*"} if absent else {}
            try:
                self._client().put_object(Bucket=self.bucket, Key=name, Body=data, **condition)
            except Exception as error:  # whatever the client raises: it is looked at, and raised again
                lost = lost or not _is_answered(error)  # it may have been done all the same
                raise

        try:
            self._sent("put", name, send)
        except Taken:
            return lost and self._holds(name, data)
        return True

    def get(self, name: str, begin: int = 0, end: int | None = None, tag: str | None = None) -> tuple[Facts, bytes]:
        """Return what is known of an object and its bytes from `begin` to `end`, or as many of them as there are.

        Raises
        ------
        FileNotFoundError
            When there is none, or one with another tag than `tag`.
        """
        if end is not None and end <= begin:
            return self.head(name), b""
        span = {} if end is None else {"Range": f"bytes={begin}-{end - 1}"}
        condition = {} if tag is None else {"IfMatch": tag}

        def ask() -> tuple[Facts, bytes]:
            answer = self._client().get_object(Bucket=self.bucket, Key=name, **span, **condition)
            data = answer["Body"].read()  # a body that breaks off raises, and is asked for again
            return _facts(name, answer, len(data)), data

        try:
            return self._sent("get", name, ask)
        except Taken:
            raise FileNotFoundError(errno.ENOENT, "another object has taken its place", name) from None
        except _NothingThere:
            return self.head(name), b""

    def head(self, name: str) -> Facts:
        """Return what is known of an object.

        Raises
        ------
        FileNotFoundError
            When there is none.
        """
        answer = self._sent("head", name, lambda: self._client().head_object(Bucket=self.bucket, Key=name))
        return _facts(name, answer, int(answer["ContentLength"]))

    def list(self, prefix: str) -> Iterator[Facts]:
        """Yield what is known of the objects whose names begin with a prefix, in the order of the names."""
        more: dict[str, str] = {}
        while True:
            answer = self._sent("list", prefix, partial(self._page, prefix, more))
            for it in answer.get("Contents", ()):
                yield Facts(it["Key"], int(it["Size"]), it["ETag"], it["LastModified"].timestamp())
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def copy(self, name: str, target: str, tag: str | None = None) -> None:
        """Give the bytes of an object, if it has that tag, another name; nothing passes through here.

        Raises
        ------
        FileNotFoundError
            When there is none, or one with another tag than `tag`.
        """
        if tag is not None and self.head(name).tag != tag:
            raise FileNotFoundError(errno.ENOENT, "another object has taken its place", name)
        condition = {} if tag is None else {"CopySourceIfMatch": tag}  # not every server heeds it
        source = {"Bucket": self.bucket, "Key": name}
        try:
            self._sent("copy", name, partial(self._copy, source, target, condition))
        except Taken:
            raise FileNotFoundError(errno.ENOENT, "another object has taken its place", name) from None

    def delete(self, name: str) -> None:
        """Remove an object; there may be none."""
        self._sent("delete", name, lambda: self._client().delete_object(Bucket=self.bucket, Key=name))

    def _holds(self, name: str, data: bytes) -> bool:
        """Return whether an object has just these bytes."""
        try:
            _, there = self.get(name)
        except FileNotFoundError:
            return False
        return sha256(there).digest() == sha256(data).digest()

    def _page(self, prefix: str, more: Mapping[str, str]) -> Any:
        return self._client().list_objects_v2(Bucket=self.bucket, Prefix=prefix, **more)

    def _copy(self, source: Mapping[str, str], target: str, condition: Mapping[str, str]) -> Any:
        return self._client().copy_object(Bucket=self.bucket, Key=target, CopySource=source, **condition)

    def _sent(self, what: str, name: str, send: Callable[[], Answer]) -> Answer:
        """Return the answer to a request, which is sent again for as long as there is hope and patience."""
        if self.rests:
            why = f"not asked for {REST:.0f} s, after no answer"
            raise OSError(errno.EIO, f"{what} of s3://{self.bucket}/{name}: {why}")
        self._client()  # making one takes longer than a request, and is nobody's impatience
        until = time.monotonic() + self._hope
        pause = PAUSE
        while True:
            try:
                answer = send()
            except _errors() as error:
                is_for_later = _is_for_later(error)
                if not is_for_later:
                    self._hope = self._patience
                elif time.monotonic() + pause > until:
                    self._hope, self._rest_until = 0.0, time.monotonic() + REST
                else:
                    time.sleep(pause * random.uniform(0.5, 1.0))
                    pause = min(2 * pause, LONGEST)
                    continue
                raise self._translated(what, name, error) from None  # its text may hold what was signed
            self._hope = self._patience
            return answer

    def _translated(self, what: str, name: str, error: Exception) -> Exception:
        code, word = _status(error), _word(error)
        if code == 412:
            return Taken()
        if code == 416:
            return _NothingThere()
        said = f"{what} of s3://{self.bucket}/{name}: {word}" + (f" ({code})" if code else "")
        if code == 404 and word != "NoSuchBucket":
            return FileNotFoundError(errno.ENOENT, said, name)
        is_refused = code in (401, 403) or "Credential" in word
        return OSError(errno.EACCES if is_refused else errno.EIO, said)

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = connected(self.server)
            return self._made.s3


class _NothingThere(Exception):
    """An object ends before the bytes that were asked for."""


def _errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError


def _is_for_later(error: Exception) -> bool:
    from botocore.exceptions import ConnectionError, HTTPClientError, IncompleteReadError, SSLError

    if isinstance(error, (ConnectionError, HTTPClientError, IncompleteReadError)):
        return not isinstance(error, SSLError)  # a certificate does not become another one
    return _status(error) in AGAIN or _word(error) in AGAIN_WORDS


def _is_answered(error: Exception) -> bool:
    """Return whether a server has said that it has not done what it was asked for."""
    return 300 <= _status(error) < 500 and _status(error) != 408


def _status(error: Exception) -> int:
    """Return the HTTP code of an answer; 0 where there was none."""
    answer: Mapping[str, Any] = getattr(error, "response", None) or {}
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) if isinstance(answer, Mapping) else 0


def _word(error: Exception) -> str:
    """Return the server's word for an error, or the kind of the client's."""
    answer = getattr(error, "response", None) or {}
    word = str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, Mapping) else ""
    return word if word.isalpha() and len(word) < 64 else type(error).__name__


def _facts(name: str, answer: Mapping[str, Any], n_bytes: int) -> Facts:
    span = str(answer.get("ContentRange", ""))
    total = span.rpartition("/")[2]
    return Facts(name, int(total) if total.isdigit() else n_bytes, answer["ETag"], answer["LastModified"].timestamp())
