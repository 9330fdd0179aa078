"""The babelds that one backend looks at, and the news of them that its looks have not seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from reconciler.backends.babeld_client import Client, Connection, dismiss, hire
from reconciler.backends.bell import Bell
from reconciler.core.backend import Events, News

PATIENCE_SECONDS = 10.0
"""How long to wait for a greeting, and then for each answer, where a user waits for a whole plan."""

WATCHING_PATIENCE_SECONDS = 1.0
"""The same while somebody waits for news: there will be some when babeld goes on."""


class BabelNews(Events):
    """The stream of news. ``read`` gives what there is, as words for each babeld."""

    def __init__(self, unseen: Callable[[], list[str]], ended: Callable[[BabelNews], None]) -> None:
        self._unseen = unseen
        self._ended = ended
        self._bell = Bell()
        self.ring = self._bell.ring

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._bell.fileno()

    def read(self) -> News:
        """Return that babeld is to be looked at, when one was lost, came or works again since the last look at it."""
        # First hush: what comes while reading rings once more.
        self._bell.hush()
        words = self._unseen()
        return News(frozenset({"babel"}), {"babel": ", ".join(words)}) if words else News()

    def close(self) -> None:
        """End the stream."""
        self._ended(self)
        self._bell.close()


class Babelds:
    """The clients of the babelds that are of interest, hired when first needed."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._seen: dict[str, int] = {}
        self._stream: BabelNews | None = None
        # The clients' threads ring while this one may open or close the stream.
        self._lock = threading.Lock()

    @property
    def watched(self) -> bool:
        """Whether news tell when a babeld comes, so that nobody need wait for it."""
        return self._stream is not None

    @property
    def patience_seconds(self) -> float:
        """How long to wait for a greeting or an answer."""
        return WATCHING_PATIENCE_SECONDS if self.watched else PATIENCE_SECONDS

    def client(self, address: str) -> Client:
        """Return the client of an address. Raises RejectedError."""
        if address not in self._clients:
            client = hire(address)
            # What happened before this is no news.
            self._seen[address] = client.news()[0]
            client.listen(self._ring)
            client.knowledge.look_along(1)
            self._clients[address] = client
        return self._clients[address]

    def connection(self, address: str) -> Connection:
        """Return the connection to an address. Raises as `Client.connection`."""
        return self.client(address).connection(self.patience_seconds)

    def told(self, address: str) -> int:
        """Return the number of the latest news of an address, for `seen` after a look."""
        return self._clients[address].news()[0]

    def seen(self, connection: Connection, number: int = 0) -> None:
        """Note that this connection is no news any more, nor is what came up to this number."""
        address = connection.address
        self._seen[address] = max(self._seen.get(address, 0), connection.peer.news, number)

    def keep(self, addresses: Collection[str]) -> None:
        """Give back the clients of all other addresses."""
        for address in self._clients.keys() - set(addresses):
            client = self._clients.pop(address)
            client.unlisten(self._ring)
            client.knowledge.look_along(-1)
            client.concern.watch(None)
            dismiss(client)

    def open_news(self) -> BabelNews:
        """Return the stream of news; one that was opened before gets none any more."""
        stream = BabelNews(self._unseen, self._end)
        with self._lock:
            self._stream = stream
        return stream

    def _unseen(self) -> list[str]:
        found = []
        for address, client in self._clients.items():
            number, words = client.news()
            if number > self._seen[address]:
                self._seen[address] = number
                found.append(words)
        return found

    def _end(self, stream: BabelNews) -> None:
        with self._lock:
            if self._stream is stream:
                self._stream = None

    def _ring(self) -> None:
        with self._lock:
            if self._stream is not None:
                self._stream.ring()
