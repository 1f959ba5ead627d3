"""OpenAPI 3.1 of what is routed: made from the same declarations that route it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from web.api import PATH_PARAMETERS, Operation
from web.problems import PROBLEMS, type_uri
from web.schemas import ProblemDocument

__all__ = ["document"]

_REF = "#/components/schemas/{model}"
_ALWAYS = ("internal", "unavailable")


def document(operations: Sequence[Operation], *, version: str = "1") -> dict[str, Any]:
    """Return the whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "press3", "version": version, "description": _description()},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "press3_session"},
            },
        },
    }


def _description() -> str:
    rows = [f"- `{type_uri(slug)}` ({p.status}): {p.title}" for slug, p in PROBLEMS.items()]
    return "\n".join(
        [
            "The complaint desk. Times are RFC 3339 with offset. Lists are read by `next`/`cursor`.",
            "Changes take If-Match with the ETag that was read (412 when stale); a POST with an",
            "Idempotency-Key happens once within 24 hours. Errors are RFC 9457 documents:",
            "",
            *rows,
        ]
    )


def _operation(operation: Operation) -> dict[str, Any]:
    summary, _, rest = operation.doc.partition(". ")
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": summary.rstrip("."),
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if rest:
        made["description"] = rest
    if operation.public:
        made["security"] = []
    if operation.roles is not None:
        made["x-roles"] = sorted(operation.roles)
    if operation.body is not None:
        made["requestBody"] = {"required": True, "content": _json(operation.body)}
    if operation.streamed is not None:
        content: dict[str, Any] = {each: {"schema": {}} for each in operation.streamed.media_types}
        made["requestBody"] = {"required": True, "content": content}
    return made


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found = [_path_parameter(name) for name in _names_in(operation.path)]
    found += _query_parameters(operation.query)
    if operation.versioned:
        found.append(_header("If-Match", "The ETag that was read; refused when it is stale."))
    if operation.is_once:
        found.append(_header("Idempotency-Key", "Makes a repeated request happen once."))
    return found


def _names_in(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _path_parameter(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
    if name == "session":
        schema = {"type": "string", "pattern": f"^{PATH_PARAMETERS[name]}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(ref_template=_REF)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _plain(about)}
        for name, about in schema.get("properties", {}).items()
    ]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: an optional value is absent, so `anyOf [x, null]` is `x`."""
    kept = {key: value for key, value in schema.items() if key not in ("title", "anyOf")}
    some = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if kept.get("default", ...) is None:
        del kept["default"]
    return {**kept, **some[0]} if len(some) == 1 else {**kept, **({"anyOf": some} if some else {})}


def _header(name: str, about: str) -> dict[str, Any]:
    pattern = '^(\\*|"[1-9][0-9]{0,8}")$' if name == "If-Match" else "^[!-~]{1,128}$"
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": False, "description": about, "schema": schema}


def _responses(operation: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if operation.answers is not None:
        good["content"] = _json(operation.answers)
    elif operation.media_type != "application/json":
        good["content"] = {operation.media_type: {"schema": {}}}
    answers = {str(operation.status): good}
    if operation.may_lose_sight:
        answers["204"] = {"description": "Done; you may not read it any more."}
    if operation.media_type.startswith("audio/"):
        answers["206"] = good
    by_status: dict[str, list[str]] = {}
    for slug in _slugs(operation):
        by_status.setdefault(str(PROBLEMS[slug].status), []).append(slug)
    for status, slugs in sorted(by_status.items()):
        answers[status] = _problem(slugs)
    return answers


def _slugs(operation: Operation) -> list[str]:
    found = ["malformed", "invalid", *operation.problems, *_ALWAYS]
    if not operation.public:
        found.append("not-signed-in")
        if not operation.before_duty:
            found.append("duty")
    if operation.roles is not None:
        found.append("forbidden")
    if operation.method != "GET":
        found += ["cross-site", "too-large", "unsupported-media-type"]
    if operation.streamed is not None:
        found.append("too-slow")
    if operation.is_once:
        found.append("idempotency-key-reused")
    if operation.versioned:
        found.append("stale-version")
    if _names_in(operation.path):
        found.append("not-found")
    return list(dict.fromkeys(found))


def _problem(slugs: list[str]) -> dict[str, Any]:
    text = " ".join(f"`{slug}`: {PROBLEMS[slug].title}" for slug in slugs)
    ref = {"$ref": _REF.format(model="ProblemDocument")}
    return {"description": text, "content": {"application/problem+json": {"schema": ref}}}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    bodies = {o.body for o in operations if o.body is not None}
    answers = {o.answers for o in operations if o.answers is not None} | {ProblemDocument}
    return _schemas_of(frozenset(bodies), frozenset(answers))


@cache
def _schemas_of(
    bodies: frozenset[type[BaseModel]], answers: frozenset[type[BaseModel]]
) -> dict[str, Any]:
    def by_name(model: type[BaseModel]) -> str:
        return model.__name__

    asked = [(model, "validation") for model in sorted(bodies, key=by_name)]
    told = [(model, "serialization") for model in sorted(answers, key=by_name)]
    _, schema = models_json_schema([*asked, *told], ref_template=_REF)  # type: ignore[list-item]
    return dict(schema["$defs"])
