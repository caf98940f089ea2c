"""Lua as Argo CD runs it: version 5.1, with the base and table libraries and a clock, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lupa.lua51 import LuaRuntime, lua_type

LEFT_OUT = ("string", "io", "math", "coroutine", "debug", "python", "dofile", "loadfile")
SAFE_OS = """
local clock = { date = os.date, time = os.time }
os = clock
package.loaded.os = clock
"""


def run(script: str, obj: Mapping[str, Any]) -> Any:
    """What the script returns about the object, as plain values; an empty table is an empty dict."""
    lua = LuaRuntime(register_eval=False)
    lua.execute(SAFE_OS)
    for name in LEFT_OUT:
        lua.globals()[name] = None
    lua.globals()["obj"] = lua.table_from(obj, recursive=True)
    return plain(lua.execute(script))


def plain(value: Any) -> Any:
    if lua_type(value) != "table":
        return int(value) if isinstance(value, float) and value.is_integer() else value
    table = {key: plain(inner) for key, inner in value.items()}
    as_list = bool(table) and set(table) == set(range(1, len(table) + 1))
    return [table[i] for i in range(1, len(table) + 1)] if as_list else table
