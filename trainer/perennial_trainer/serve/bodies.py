"""Reads the bodies of requests: each within its size and its time, and all of them within the pod's memory."""

import asyncio
from collections.abc import Callable, Mapping

from starlette.requests import ClientDisconnect, Request

from perennial_trainer.serve.limits import BODY_SECONDS, SMALL_BODY, Limits

MORE_MEMORY = "or raise serving.pod.resources.limits.memory"
CLOSE = {"connection": "close"}
RETRY = {"retry-after": "1"}


class RefusedError(Exception):
    """A request beyond a limit. `reason` is what the metric counts; the message is for the client."""

    def __init__(self, status: int, reason: str, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.status, self.reason, self.headers = status, reason, headers


class Bodies:
    """The bodies that are in memory: together they have at most `in_flight` bytes of the limits."""

    def __init__(self, limits: Callable[[], Limits], seconds: float = BODY_SECONDS) -> None:
        self._limits = limits
        self._seconds = seconds
        self._in_flight = 0

    async def read(self, request: Request) -> bytes:
        """The body, which counts as in flight until its `release`. Raises RefusedError, ClientDisconnect."""
        _check_headers(request)
        chunks: list[bytes] = []
        try:
            await self._receive(request, chunks)
            return b"".join(chunks)
        except BaseException:
            self._in_flight -= sum(map(len, chunks))
            raise

    def release(self, body: bytes) -> None:
        self._in_flight -= len(body)

    async def _receive(self, request: Request, chunks: list[bytes]) -> None:
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                more = True
                while more:
                    event = await request.receive()  # not by `stream`: its generator costs more
                    if event["type"] == "http.disconnect":
                        raise ClientDisconnect
                    chunk, more = event.get("body", b""), event.get("more_body", False)
                    size += len(chunk)
                    self._check_size(size, len(chunk))  # uvicorn reads and drops the rest of a refused body
                    self._in_flight += len(chunk)
                    chunks.append(chunk)
        except TimeoutError:
            message = f"the body did not arrive within {self._seconds:g} s: send it faster, or fewer rows at a time"
            raise RefusedError(408, "body_timeout", message, CLOSE) from None

    def _check_size(self, size: int, more: int) -> None:
        limits = self._limits()
        if size > limits.body:
            message = f"the body has more than {limits.body} bytes: send fewer rows at a time, {MORE_MEMORY}"
            raise RefusedError(413, "body_too_large", message, {})
        most = limits.in_flight if size <= SMALL_BODY else limits.in_flight * 3 // 4
        if self._in_flight + more > most:
            message = f"other requests have {self._in_flight} bytes in flight: try again in a second, {MORE_MEMORY}"
            raise RefusedError(429, "bytes_in_flight", message, RETRY)


def _check_headers(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        message = f"the body is encoded as {encoding[:40]}: send it without Content-Encoding"
        raise RefusedError(415, "content_encoding", message, {"accept-encoding": "identity"})
