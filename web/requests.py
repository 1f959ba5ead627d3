"""From bytes to checked values: body, query, If-Match, Idempotency-Key. What can't be read is named."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

from aiohttp import web
from multidict import MultiMapping
from pydantic import BaseModel, ValidationError

from web.problems import ApiError

__all__ = ["read_body", "read_if_match", "read_key", "read_query"]

M = TypeVar("M", bound=BaseModel)

_BODY_S = 30
_ERRORS_SHOWN, _NAME_SHOWN = 20, 100
_ETAG = re.compile(r'"([1-9][0-9]{0,8})"')
_KEY = re.compile(r"[\x21-\x7e]{1,128}")


async def read_body(request: web.Request, model: type[M]) -> M:
    """Return the JSON body as `model`; an empty body counts as `{}`.

    Raises ApiError `too-slow`, `unsupported-media-type`, `malformed` (no JSON) or `invalid` (not this JSON).
    """
    try:
        async with asyncio.timeout(_BODY_S):
            raw = await request.read()
    except TimeoutError:
        raise ApiError("too-slow", f"The body did not come within {_BODY_S} s.") from None
    except web.RequestPayloadError:
        raise ApiError("malformed", "The body is not what its Content-Encoding says.") from None
    except ConnectionError:  # the answer goes nowhere, and it is no fault of ours
        raise ApiError("malformed", "The connection ended before the body did.") from None
    if not raw:
        return _checked(model, {})
    if request.content_type != "application/json":
        raise ApiError("unsupported-media-type", f"Content-Type is {request.content_type}.")
    try:
        value = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError("malformed", f"The body is not JSON: {error}.") from None
    return _checked(model, value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def read_query(query: MultiMapping[str], model: type[M]) -> M:
    """Return the query as `model`; a name given twice is refused, for which one would count?"""
    for name in query:
        if len(query.getall(name)) > 1:
            raise _invalid([{"parameter": name, "detail": "given more than once"}])
    return _checked(model, dict(query), query=True)


def _checked(model: type[M], value: Any, *, query: bool = False) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _invalid([_fault(fault, query) for fault in _faults(error)]) from None


def _faults(error: ValidationError) -> list[Any]:
    return list(error.errors(include_url=False, include_context=False, include_input=False))


def _fault(fault: Mapping[str, Any], query: bool) -> dict[str, str]:
    place = [str(part)[:_NAME_SHOWN] for part in fault["loc"]]
    named = {"parameter": ".".join(place)} if query else {"pointer": "/" + "/".join(place)}
    return {**named, "detail": str(fault["msg"])}


def _invalid(errors: list[dict[str, str]]) -> ApiError:
    """Name the first errors; thousands of unknown names would make a long answer to a short question."""
    first = errors[0]
    where = first.get("parameter") or first.get("pointer")
    extra: dict[str, Any] = {"errors": errors[:_ERRORS_SHOWN]}
    if len(errors) > _ERRORS_SHOWN:
        extra["errors_not_shown"] = len(errors) - _ERRORS_SHOWN
    return ApiError("invalid", f"{where}: {first['detail']}.", extra)


def read_if_match(headers: Mapping[str, str]) -> int | None:
    """Return the version that If-Match asks for; None without it or for `*`."""
    text = headers.get("If-Match")
    if text is None or text.strip() == "*":
        return None
    found = _ETAG.fullmatch(text.strip())
    if found is None:
        raise ApiError("stale-version", f"If-Match {text!r} is no ETag that press3 gave.")
    return int(found[1])


def read_key(headers: Mapping[str, str]) -> str | None:
    """Return the Idempotency-Key, None without one."""
    key = headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise ApiError("malformed", "Idempotency-Key must be 1 to 128 visible ASCII characters.")
    return key
