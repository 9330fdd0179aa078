"""The page over HTTP: four files and a stream of events, read-only, with a bound on all that others can ask for.

Whoever reaches the address may read all of it. So the name in ``Host`` is not looked at (the operator's DNS, an address
and ``localhost`` all do), and there is nothing that a request changes.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import NamedTuple, TypeVar

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from reconciler.core.errors import StellwerkError
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.page.drawing import draw
from reconciler.services.statistics.page.faults import Faults, silent
from reconciler.services.statistics.page.history import SAMPLE_SECONDS, History
from reconciler.services.statistics.page.share import SHARE
from reconciler.services.statistics.page.sources import gives_way, source
from reconciler.services.statistics.page.view import view
from reconciler.services.statistics.ways_out import Leaving

T = TypeVar("T")
MOST_STREAMS = 16
MOST_CONNECTIONS = 64
CONNECTION_SECONDS = 60.0
"""How long a connection that is no stream may last, whatever happens on it."""
BETWEEN_SECONDS = 1.0
"""The least time between two drawings."""
REFRESH_SECONDS = 5.0
"""How often a stream is told of what changes all the time: ages, counters, load."""
BEAT_SECONDS = 15.0
"""The longest silence on a stream, so that a browser knows one that is cut."""
SLOW_SECONDS = 10.0
"""How long a reader of a stream may keep what it is sent waiting."""
WAIT_SECONDS = 0.5
"""How long a wait for a change may last, and so the end of the page."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": "stellwerk",
}
_ACCEPTED_AT_ONCE = 8
_LEVEL = 6
"""How hard the page is compressed (zlib): the middle, since more takes longer than it saves."""
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_LIMITS = {
    "max_line_size": 4096,
    "max_field_size": 4096,
    "max_headers": 64,
    "keepalive_timeout": 15.0,
    "lingering_time": 2.0,
    "access_log": None,
    "logger": silent(),
}


class _Asset(NamedTuple):
    content: bytes
    type: str
    etag: str


class _Kept(NamedTuple):
    """A drawing as it is sent: the page as it is and compressed, and its parts as members of a JSON object."""

    page: bytes
    compressed: bytes
    parts: Mapping[str, bytes]
    seconds: float
    """The processor time that it took."""


class _Stream:
    """What a stream is still to be sent: of each part the latest only, so that a slow one costs no memory."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.source = source(transport)
        self.pending: dict[str, bytes] = {}
        self.more = asyncio.Event()

    def put(self, parts: Mapping[str, bytes]) -> None:
        self.pending.update(parts)
        self.more.set()


class _Connections(web.Server):
    """Connections, of which none lasts for ever; of many, the oldest of the source that has most gives way."""

    def __init__(self, handler: Callable[[web.BaseRequest], object]) -> None:
        super().__init__(handler, handler_cancellation=True, **_LIMITS)  # type: ignore[arg-type]
        self.streaming: set[asyncio.BaseTransport] = set()
        self._ends: dict[RequestHandler, asyncio.TimerHandle] = {}

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._ends[handler] = asyncio.get_running_loop().call_later(CONNECTION_SECONDS, self._end, transport)
        # Those that wait for their end are in order of age.
        open_ones = [one for one in self._connections.values() if not one.is_closing()]
        if len(open_ones) > MOST_CONNECTIONS:
            places = Counter(map(source, open_ones))
            idle = [one for one in open_ones if one not in self.streaming] or [transport]
            max(idle, key=lambda one: places[source(one)]).abort()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        # Nothing may be kept of connections that are over: there can be many in that time.
        if (end := self._ends.pop(handler, None)) is not None:
            end.cancel()

    def _end(self, transport: asyncio.Transport) -> None:
        if transport not in self.streaming:
            transport.abort()

    def cut(self) -> None:
        """End all connections at once."""
        for transport in list(self._connections.values()):
            transport.abort()


class Server:
    """The page of some figures, for as long as it is open. Everything in it happens in one event loop."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._history = History()
        self._leaving = Leaving(figures)
        self._faults = Faults()
        # In order of age.
        self._streams: dict[_Stream, None] = {}
        self._assets = _assets()
        self._kept: _Kept | None = None
        self._drawn_at = self._next_at = -BETWEEN_SECONDS
        self._lock = asyncio.Lock()
        self._watched = asyncio.Event()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="stellwerk-page")
        self._tasks: list[asyncio.Task[None]] = []
        self._connections: _Connections | None = None
        self._listening: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Serve from a socket that listens."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _, told: self._faults.tell(str(told.get("message", "")), told.get("exception"))
        )
        await self._in_thread(self._sample)
        self._connections = _Connections(self._answer)
        self._listening = await loop.create_server(self._connections, sock=listener, backlog=_ACCEPTED_AT_ONCE)
        self._tasks = [asyncio.create_task(work) for work in (self._sampling(), self._following())]

    async def close(self) -> None:
        """Cut all connections, and end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()
        if self._connections is not None:
            self._connections.cut()
            await self._connections.shutdown(1.0)
        self._threads.shutdown(cancel_futures=True)

    async def _in_thread(self, work: Callable[[], object]) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _sampling(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            try:
                async with self._lock:
                    await self._in_thread(self._sample)
            except Exception as exc:  # noqa: BLE001 - a fault of the program: a gap in the plots, and no more
                self._faults.tell("taking a sample", exc)

    def _sample(self) -> None:
        babel, links = _had(self._figures.babel), _had(self._figures.links)
        known = None if babel is None else babel.known
        self._history.take(time.monotonic(), None if known is None else known.neighbours, links or {})

    async def _following(self) -> None:
        """Draw again when something has changed, for as long as there are streams."""
        seen = 0
        while True:
            await self._watched.wait()
            try:
                seen = await self._follow(seen)
            except Exception as exc:  # noqa: BLE001 - a fault of the program: who looks is cut, not shown old figures as new
                self._faults.tell("drawing", exc)
                self._cut_streams()
                await asyncio.sleep(REFRESH_SECONDS)

    async def _follow(self, seen: int) -> int:
        """Wait for a change after that one, for a moment at most, and draw it; return the latest that was drawn."""
        loop = asyncio.get_running_loop()
        now = await loop.run_in_executor(self._threads, self._figures.wait, seen, WAIT_SECONDS)
        if now == seen and loop.time() < self._drawn_at + REFRESH_SECONDS:
            return seen
        await asyncio.sleep(self._next_at - loop.time())
        now = self._figures.changes()
        await self._draw()
        return now

    def _cut_streams(self) -> None:
        for stream in self._streams:
            stream.transport.abort()

    async def _drawn(self) -> _Kept:
        """Return the page as it was at most a second ago, or longer where drawing it takes more than its share."""
        if self._kept is None or asyncio.get_running_loop().time() >= self._next_at:
            return await self._draw()
        return self._kept

    async def _draw(self) -> _Kept:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self._lock:
            if self._kept is not None and self._drawn_at > asked:
                return self._kept
            before = {} if self._kept is None else self._kept.parts
            drawn_at = loop.time()
            kept = await loop.run_in_executor(self._threads, self._drawing_now)
            self._kept, self._drawn_at = kept, drawn_at
            self._next_at = drawn_at + max(BETWEEN_SECONDS, kept.seconds / SHARE)
        changed = {name: part for name, part in kept.parts.items() if before.get(name) != part}
        if changed:
            for stream in self._streams:
                stream.put(changed)
        return kept

    def _drawing_now(self) -> _Kept:
        begun = time.thread_time()
        drawing = draw(view(self._figures, self._leaving, self._history, time.monotonic(), time.time()))
        page = drawing.page.encode()
        parts = {name: f"{json.dumps(name)}: {json.dumps(part)}".encode() for name, part in drawing.parts.items()}
        compressed = gzip.compress(page, _LEVEL, mtime=0)
        return _Kept(page, compressed, parts, time.thread_time() - begun)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answered(request)
        except ConnectionError:
            raise
        except Exception as exc:  # noqa: BLE001 - a fault of the program: the others are to be answered
            self._faults.tell("answering", exc)
            return _said(500, "The page could not be made; the log of the node says why.")

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path != "/" and path != "/events" and path not in self._assets:
            return _said(404, "There is no such page; the status page is at /.")
        if request.method not in ("GET", "HEAD"):
            return _said(405, "This page can only be read.", {"Allow": "GET, HEAD"})
        if path == "/events":
            return await self._stream(request)
        if path == "/":
            return _page(request, await self._drawn())
        return _file(request, self._assets[path])

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = HEADERS | {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
        if request.method == "HEAD":
            return web.Response(headers=headers)
        transport, connections = request.transport, self._connections
        if transport is None or connections is None:
            raise ConnectionResetError("the connection is gone")
        stream = _Stream(transport)
        if len(self._streams) >= MOST_STREAMS and not self._make_room_for(stream):
            return _said(503, f"There are {MOST_STREAMS} readers already; try again later.", {"Retry-After": "30"})
        self._streams[stream] = None
        connections.streaming.add(transport)
        response = web.StreamResponse(headers=headers)
        response.force_close()
        try:
            stream.put((await self._drawn()).parts)
            self._watched.set()
            await response.prepare(request)
            await _send(stream, response)
        except (ConnectionError, TimeoutError):
            # Who does not read for so long is cut off; a browser comes back by itself.
            transport.abort()
        finally:
            self._streams.pop(stream, None)
            connections.streaming.discard(transport)
            if not self._streams:
                self._watched.clear()
        return response

    def _make_room_for(self, newcomer: _Stream) -> bool:
        """End the oldest stream of the source that has most of them; return whether there was one with too many."""
        crowd = gives_way(newcomer.source, (one.source for one in self._streams))
        oldest = next((one for one in self._streams if one.source == crowd), None)
        if oldest is not None:
            del self._streams[oldest]
            oldest.transport.abort()
        return oldest is not None


async def _send(stream: _Stream, response: web.StreamResponse) -> None:
    """Send what there is to send, until the reader is gone. Raises TimeoutError for one that is too slow."""
    while True:
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                await stream.more.wait()
        except TimeoutError:
            event = b"event: beat\ndata:\n\n"
        else:
            stream.more.clear()
            parts, stream.pending = stream.pending, {}
            event = b"event: parts\ndata: {" + b", ".join(parts.values()) + b"}\n\n"
        async with asyncio.timeout(SLOW_SECONDS):
            await response.write(event)


def _had(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except (StellwerkError, OSError):
        return None


def _assets() -> dict[str, _Asset]:
    folder = files(__package__) / "assets"
    found = {}
    for one in folder.iterdir():
        content, sort = one.read_bytes(), _TYPES.get(one.name.rpartition(".")[2])
        if sort is not None:
            found[f"/{one.name}"] = _Asset(content, sort, hashlib.sha256(content).hexdigest()[:16])
    return found


def _said(status: int, words: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, text=words + "\n", headers={**HEADERS, "Cache-Control": "no-store", **(headers or {})}
    )


def _page(request: web.BaseRequest, kept: _Kept) -> web.Response:
    compressed = _takes_gzip(request.headers.getall("Accept-Encoding", ()))
    headers = HEADERS | {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if compressed:
        headers["Content-Encoding"] = "gzip"
    body = kept.compressed if compressed else kept.page
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


def _takes_gzip(fields: Sequence[str]) -> bool:
    """Return whether the fields of ``Accept-Encoding`` (RFC 9110, 12.5.3) name gzip, and not to refuse it."""
    for one in ",".join(fields).lower().split(","):
        coding, _, weight = one.partition(";")
        if coding.strip() in ("gzip", "x-gzip"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _file(request: web.BaseRequest, asset: _Asset) -> web.Response:
    response = web.Response(
        body=asset.content, content_type=asset.type, charset="utf-8", headers=HEADERS | {"Cache-Control": "no-cache"}
    )
    response.etag = asset.etag
    if any(one.value in (asset.etag, "*") for one in request.if_none_match or ()):
        return web.Response(status=304, headers=HEADERS | {"Cache-Control": "no-cache", "ETag": f'"{asset.etag}"'})
    return response
