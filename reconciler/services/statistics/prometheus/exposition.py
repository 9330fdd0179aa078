"""What is answered to an HTTP request, all of it in memory: no socket and no waiting here."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import NamedTuple
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS

PATH = "/metrics"
_HINT = b"Stellwerk's figures for Prometheus are at /metrics.\n"
_TEXT = "text/plain; charset=utf-8"
_GZIP_LEVEL = 1
"""Nearly as small as the others for text that repeats itself, in a fraction of their time."""
_SCHEMES = ("underscores", "allow-utf-8", "dots", "values")
_TYPES = frozenset(
    (
        *(CONTENT_TYPE_PLAIN_0_0_4, OPENMETRICS),
        *(f"{CONTENT_TYPE_LATEST}; escaping={scheme}" for scheme in _SCHEMES),
        *(f"application/openmetrics-text; version=1.0.0; charset=utf-8; escaping={scheme}" for scheme in _SCHEMES),
    )
)
"""The formats that are given: what a request asks for is repeated in the answer, so it is not to be just anything."""


class Format(NamedTuple):
    """How metrics are written: the content type, and whether compressed. There are few of them."""

    content_type: str
    compressed: bool


class Request(BaseHTTPRequestHandler):
    """A request that has come as a whole, read by the standard library.

    ``wanted`` is the format in which the metrics are to be given, ``None`` where ``answer`` is all there is to say.
    """

    server_version = "Stellwerk"
    sys_version = ""
    default_request_version = "HTTP/1.0"

    def __init__(self, head: bytes) -> None:
        self.rfile = BytesIO(head)
        self._answer = self.wfile = BytesIO()
        self.client_address = ("", 0)
        self.wanted: Format | None = None
        self.raw_requestline = self.rfile.readline()
        if self.parse_request():
            self._judge()
        elif not self.answer:
            self.send_error(HTTPStatus.BAD_REQUEST)

    @property
    def answer(self) -> bytes:
        """All that was written so far."""
        return self._answer.getvalue()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: anybody could fill the log."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Say what is wrong in few words; the library would repeat all that the client sent."""
        status = HTTPStatus(code)
        self._say(status, f"{status.phrase}.\n".encode())

    def _judge(self) -> None:
        path = urlsplit(self.path).path if self.path.startswith("/") else self.path
        if self.command != "GET":
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, b"Only GET is answered.\n", ("Allow", "GET"))
        elif path == PATH:
            accepted = ",".join(self.headers.get_all("Accept-Encoding", ()))
            self.wanted = Format(_content_type(self._accept()), gzip_accepted(accepted))
        elif path == "/":
            self._say(HTTPStatus.OK, _HINT)
        else:
            self._say(HTTPStatus.NOT_FOUND, _HINT)

    def _accept(self) -> str:
        return ",".join(self.headers.get_all("Accept", ()))

    def _say(self, status: HTTPStatus, body: bytes, *headers: tuple[str, str]) -> None:
        self._begin(status, len(body), ("Content-Type", _TEXT), ("X-Content-Type-Options", "nosniff"), *headers)
        self.wfile.write(body)

    def _begin(self, status: HTTPStatus, length: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()


def rendering(registry: CollectorRegistry, wanted: Format) -> bytes:
    """Return a whole answer with the metrics as they are now."""
    encoder = _encoder(wanted.content_type)
    body = encoder(registry)
    headers = [("Content-Type", wanted.content_type)]
    if wanted.compressed:
        body = gzip.compress(body, _GZIP_LEVEL)
        headers.append(("Content-Encoding", "gzip"))
    head = [f"HTTP/1.0 {HTTPStatus.OK.value} {HTTPStatus.OK.phrase}"]
    headers += [("Content-Length", str(len(body))), ("Connection", "close"), ("Cache-Control", "no-store")]
    head += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join((*head, "", "")).encode("ascii") + body


def _content_type(accept: str) -> str:
    """Return the format to give for an ``Accept`` header, the oldest one where it asks for what is not known."""
    try:
        _, content_type = choose_encoder(accept)
    except (TypeError, ValueError):
        # The library compares a version that is not made of numbers with numbers.
        return CONTENT_TYPE_PLAIN_0_0_4
    return content_type if content_type in _TYPES else CONTENT_TYPE_PLAIN_0_0_4


def _encoder(content_type: str) -> Callable[[CollectorRegistry], bytes]:
    if content_type == CONTENT_TYPE_PLAIN_0_0_4:
        return generate_latest
    encoder, _ = choose_encoder(content_type)
    return encoder
