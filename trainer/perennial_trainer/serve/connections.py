"""Connections of the server: their number and the time that a client may take are limited, and probes are answered.

A kubelet probes the pod through the same port, each time on a new connection. A pod with too many connections is busy,
not broken, so that beyond the limit a new connection is served too, but only for the paths of probes.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from perennial_trainer.serve.limits import BODY_SECONDS, HEADER_SECONDS, HEADERS, Limits

PROBE_PATHS = ("/v2/health/live", "/v2/health/ready")
SPARE_CONNECTIONS = 64
"""Beyond the limit; the oldest of them makes room for the next."""

Refused = Callable[[str], None]


class Connection(HttpToolsProtocol):
    """One connection; it ends if the client takes too long for its headers, its body, or to take a response."""

    def __init__(
        self,
        *args: Any,
        limits: Callable[[], Limits],
        refused: Refused,
        header_seconds: float = HEADER_SECONDS,
        body_seconds: float = BODY_SECONDS,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self._refused = refused
        # The endpoint answers a late body with 408; this deadline is for what it does not read, a refused body.
        self._seconds = {
            "header_timeout": header_seconds,
            "body_timeout": body_seconds + 5,
            "send_timeout": body_seconds,
        }
        self._awaited: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_spare = False
        self._opened = self.loop.time()
        self._incomplete: str | None = "header_timeout"
        """What of a request has not arrived: its headers or its body; None between two requests."""
        self._repeats = False
        """Whether the parser gets headers that another has read."""
        self._spare_bytes = HEADERS
        """That may still arrive for headers or trailers, which the parser keeps whatever their length."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits().connections:
            self._is_spare = True
            self.app = self._answer_probes
            self._make_room()
        self._await_client()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._incomplete is None and not self._answering:
            self._incomplete = "header_timeout"  # also for an empty line, which the parser ignores
        self._spare_bytes -= len(data)
        self._parse(data)
        if self._spare_bytes < 0 and not self.transport.is_closing():
            self._refused("headers_too_large")
            self.send_400_response(f"Headers, or trailers of a body, have more than {HEADERS} bytes.")
        idle = self._incomplete is None and not self._answering and not self.transport.is_closing()
        if idle and self.timeout_keep_alive_task is None:  # the rest of a body that was refused
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        self._await_client()

    def _parse(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                    return
                except httptools.HttpParserUpgrade as upgrade:
                    self._go_on_without_upgrade()
                    rest = rest[upgrade.args[0] :]
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("Invalid HTTP request received.")

    def _go_on_without_upgrade(self) -> None:
        """The parser reads the body of a request that asks for another protocol, such as h2c, as Java's clients do."""
        framing = [
            b"%s: %s\r\n" % each for each in self.headers if each[0] in (b"content-length", b"transfer-encoding")
        ]
        self.parser, self._repeats = httptools.HttpRequestParser(self), True
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % b"".join(framing))

    def on_message_begin(self) -> None:
        if not self._repeats:
            super().on_message_begin()
            self._incomplete = "header_timeout"

    def on_url(self, url: bytes) -> None:
        if not self._repeats:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._incomplete == "header_timeout":  # not a trailer, which no endpoint reads
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._repeats:
            super().on_headers_complete()
        self._repeats = False
        self._incomplete, self._spare_bytes = "body_timeout", HEADERS

    def on_body(self, body: bytes) -> None:
        self._spare_bytes += 2 * len(body)  # for itself, and for the lines around small chunks
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():  # the parser ends before the body
            return
        super().on_message_complete()
        self._incomplete, self._spare_bytes = None, HEADERS

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_client()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cancel_timer()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_client(self) -> None:
        """Starts the timer for what the client owes now; it goes on while that is the same."""
        unsent = self.transport.get_write_buffer_size() and not self._answering
        awaited = "send_timeout" if unsent else self._incomplete
        if awaited == self._awaited:
            return
        self._cancel_timer()
        self._awaited = awaited
        if awaited:
            self._timer = self.loop.call_later(self._seconds[awaited], self._expire)

    def _expire(self) -> None:
        awaited, self._timer, self._awaited = self._awaited, None, None
        if awaited == "send_timeout" and not self.transport.get_write_buffer_size():
            return
        self._refused(awaited or "")
        self.transport.abort()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _make_room(self) -> None:
        """At most SPARE_CONNECTIONS are open beyond the limit."""
        spare = [each for each in self.connections if isinstance(each, Connection) and each._is_spare]
        if len(spare) > SPARE_CONNECTIONS:
            oldest = min(spare, key=lambda each: each._opened)
            self._refused("connections")
            oldest.transport.abort()

    async def _answer_probes(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].rstrip("/") in PROBE_PATHS:
            await self.config.loaded_app(scope, receive, send)
            return
        self._refused("connections")
        body = b'{"error":"too many connections are open: keep fewer, and try again in a second"}'
        headers = {"retry-after": "1", "connection": "close"}
        await Response(body, 503, headers, "application/json")(scope, receive, send)
