"""Connections of the server: their number and the time that a client may take are limited, and probes are answered.

A kubelet probes the pod through the same port, each time on a new connection. A pod with too many connections is busy,
not broken, so that beyond the limit a new connection is served too, but only for the paths of probes.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from perennial_trainer.serve.limits import BODY_SECONDS, HEADER_SECONDS, Limits

PROBE_PATHS = ("/v2/health/live", "/v2/health/ready")
SPARE_CONNECTIONS = 64
"""Beyond the limit; the oldest of them makes room for the next."""

Refused = Callable[[str], None]


class Connection(H11Protocol):
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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits().connections:
            self._is_spare = True
            self.app = self._answer_probes
            self._make_room()
        self._await_client()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await_client()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_client()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cancel_timer()

    def _await_client(self) -> None:
        """Starts the timer for what the client owes now; it goes on while that is the same."""
        awaited = self._next_from_client()
        if awaited == self._awaited:
            return
        self._cancel_timer()
        self._awaited = awaited
        if awaited:
            self._timer = self.loop.call_later(self._seconds[awaited], self._expire)

    def _next_from_client(self) -> str | None:
        if self.transport.get_write_buffer_size() and (self.cycle is None or self.cycle.response_complete):
            return "send_timeout"
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            return "body_timeout"
        # Between two requests the timeout of kept connections applies.
        begun = self.cycle is None or bool(self.conn.trailing_data[0])
        return "header_timeout" if state is h11.IDLE and begun else None

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
