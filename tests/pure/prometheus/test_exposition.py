"""What is answered to a request."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.prometheus.collector import registry
from reconciler.services.statistics.prometheus.exposition import Format, Request, rendering
from tests.figures import FakeFigures

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def asked(first: str, *headers: str) -> Request:
    return Request("\r\n".join((first, *headers, "", "")).encode("latin-1"))


def status(request: Request) -> str:
    assert request.wanted is None
    return request.answer.partition(b"\r\n")[0].decode().split(" ", 1)[1]


@pytest.mark.parametrize("path", ["/metrics", "/metrics?name[]=babel_up"])
def test_metrics_are_at_their_path(path: str) -> None:
    assert asked(f"GET {path} HTTP/1.1", "Host: x").wanted == Format(PLAIN, False)


@pytest.mark.parametrize("path", ["/metrics/", "/metrics/../etc/passwd", "/favicon.ico", "/-/reload", "*"])
def test_there_is_nothing_at_other_paths(path: str) -> None:
    assert status(asked(f"GET {path} HTTP/1.1")) == "404 Not Found"


def test_a_hint_is_at_the_root() -> None:
    request = asked("GET / HTTP/1.1")
    assert status(request) == "200 OK"
    assert b"/metrics" in request.answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "BREW"])
def test_only_get_is_answered(method: str) -> None:
    assert status(asked(f"{method} /metrics HTTP/1.1")) == "405 Method Not Allowed"


@pytest.mark.parametrize(
    "first", ["\x16\x03\x01\x02", "GET", "GET /metrics HTTP/9.9", "GET /metrics FTP/1.0", "a b c d e"]
)
def test_what_is_no_request_is_told_so(first: str) -> None:
    assert status(asked(first)).startswith(("400 ", "505 "))


@pytest.mark.parametrize(
    ("accept", "given_"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        (PROMETHEUS_3, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
        ("text/plain;version=0.0.4", PLAIN),
        # What is asked for is not repeated, whatever it is.
        ("application/openmetrics-text;version=1.0.7", PLAIN),
        ("application/openmetrics-text;version=one", PLAIN),
        ("application/openmetrics-text; version=1.0.0\r\n X-Evil: yes", PLAIN),
    ],
)
def test_the_format_is_the_one_asked_for_where_it_is_known(accept: str, given_: str) -> None:
    wanted = asked("GET /metrics HTTP/1.1", f"Accept: {accept}").wanted
    assert wanted is not None
    assert wanted.content_type == given_


@pytest.mark.parametrize("accept", ["", PROMETHEUS_3, "text/plain;version=1.0.0;escaping=underscores"])
def test_an_answer_is_whole_in_each_format_compressed_or_not(accept: str) -> None:
    found = registry(FakeFigures(), Counters())
    for encoding in ("", "gzip"):
        wanted = asked("GET /metrics HTTP/1.1", f"Accept: {accept}", f"Accept-Encoding: {encoding}").wanted
        assert wanted is not None
        head, _, body = rendering(found, wanted).partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert (b"Content-Encoding: gzip" in head) == (encoding == "gzip")
        text = gzip.decompress(body) if encoding else body
        assert b"\nbabel_neighbours 3.0\n" in text


@pytest.mark.parametrize("head", [b"", b"\r\n", b"x" * 8000, b"\x00" * 8000, b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 200])
def test_what_is_wrong_is_said_in_few_words(head: bytes) -> None:
    answer = Request(head + b"\r\n\r\n").answer
    assert answer.startswith(b"HTTP/1.0 4")
    assert len(answer) < 400


@given(st.binary(max_size=400))
def test_any_bytes_have_an_answer(head: bytes) -> None:
    request = Request(head + b"\r\n\r\n")
    assert request.wanted is not None or isinstance(request.answer, bytes)
    assert b"Traceback" not in request.answer


@given(st.text(alphabet=st.characters(codec="latin-1"), max_size=80))
def test_an_answer_has_no_header_that_a_client_wrote(value: str) -> None:
    request = asked(f"GET /metrics{value} HTTP/1.1", f"Accept: application/openmetrics-text;version={value}")
    if request.wanted is not None:
        assert "\n" not in request.wanted.content_type
        assert "\r" not in request.wanted.content_type
