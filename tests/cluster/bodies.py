"""How bodies are read and written: JSON, and the protobuf that Go clients send for some built-in kinds."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from tests.cluster import protobuf
from tests.cluster.errors import ApiError, bad_request


async def read_body(request: web.Request) -> Any:
    """The decoded body, None if there is none; 400 if it cannot be read, 415 if it is protobuf of an unknown kind."""
    sent = await request.read()
    if not sent:
        return None
    try:
        if sent.startswith(protobuf.MAGIC):
            return protobuf.decode(sent)
        return orjson.loads(sent)
    except protobuf.UnknownMessageError as error:
        raise ApiError(415, "UnsupportedMediaType", f"{error}: send it as JSON") from error
    except ValueError as error:
        raise bad_request(f"the body could not be read as {request.content_type}: {error}") from error


def json_response(body: Any, code: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=code, content_type="application/json")


def wants_table(request: web.Request) -> bool:
    """Whether a Table is what the client would have before plain JSON."""
    for part in request.headers.get("Accept", "").split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        if media_type == "application/json":
            return {"as=Table", "v=v1"} <= set(parameters)
    return False
