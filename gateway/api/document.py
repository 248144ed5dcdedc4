"""The OpenAPI document, made from the table and its models: what is not in the table is not in the document.

The document says of each operation which right it needs, which answers it gives, and every problem it can meet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from gateway.api.kinds import Nothing, Said
from gateway.api.operation import CSV, Operation
from gateway.api.problem import JSON, TITLES
from gateway.policy.rights import TABLE, Right

_REF = "#/components/schemas/{model}"
_ROLES = {"referent": "référent", "region": "équipe régionale", "national": "équipe nationale"}
_ALWAYS = (400, 401, 403, 429, 503)
_ID = "^[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9_-])?$"  # what stands in an address, of every kind of element
_ETAG = {"description": "La version, pour If-Match.", "schema": {"type": "string"}}


class ProblemSaid(Said):
    """Why not (RFC 9457). ``reason``: a word for programs; ``detail``: for people; ``reference``: found in the log."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"required": ["type", "title", "status", "reason"]})

    type: str
    title: str
    status: int
    detail: str
    reason: str
    reference: str
    faults: dict[str, list[str]] | None = None


def document(operations: Sequence[Operation], base: str, version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these operations, served below ``base``."""
    models = _models(operations)
    names, definitions = models_json_schema(models, ref_template=_REF)
    schemas: dict[Any, Any] = {model: schema for (model, _), schema in names.items()}
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(f"/{one.path}", {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ViaTrajectoire - administration de la passerelle d'identité",
            "version": version,
            "description": "Les actes d'administration : périmètres, bascules, personnes, imports, journal.",
        },
        "servers": [{"url": base}],
        "security": [{"token": []}, {"session": [], "form": []}],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "vt-gateway token create"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-vtgw"},
                "form": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
            },
        },
    }


def _models(operations: Sequence[Operation]) -> list[tuple[type[BaseModel], Any]]:
    found: dict[tuple[type[BaseModel], str], None] = {(ProblemSaid, "serialization"): None}
    for one in operations:
        if one.body is not None:
            found[one.body, "validation"] = None
        for model in one.answers.values():
            if model is not None:
                found[model, "serialization"] = None
    return list(found)


def _operation(one: Operation, schemas: Mapping[type[BaseModel], Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "tags": [one.path.partition("/")[0]],
        "parameters": [*_in_path(one), *_in_query(one), *_in_header(one)],
        "responses": {str(status): answer for status, answer in _answers(one, schemas)},
    }
    if one.right is not None:
        said["x-right"] = one.right.value
        said["description"] = f"Droit : {one.right.value} ({', '.join(_holders(one.right))})."
    if one.free:
        said["security"] = []
    if one.body is not None:
        said["requestBody"] = {"required": True, "content": {kind: _content(kind, one, schemas) for kind in one.kinds}}
    return said


def _holders(right: Right) -> list[str]:
    return [_ROLES[role.value] for role, rights in TABLE.items() if right in rights]


def _content(kind: str, one: Operation, schemas: Mapping[type[BaseModel], Any]) -> dict[str, Any]:
    if kind == CSV:
        return {"schema": {"type": "string"}}
    if kind == "multipart/form-data":
        file = {"type": "string", "contentMediaType": CSV}
        return {"schema": {"type": "object", "properties": {"file": file}, "required": ["file"]}}
    assert one.body is not None  # noqa: S101 - asked for operations with a body
    return {"schema": schemas[one.body]}


def _in_path(one: Operation) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1, "maxLength": 100, "pattern": _ID}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema} for name in re.findall(r"{(\w+)}", one.path)
    ]


def _in_query(one: Operation) -> list[dict[str, Any]]:
    schema = one.query.model_json_schema(ref_template=_REF)
    needed = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": _unless_null(part)}
        for name, part in schema.get("properties", {}).items()
    ]


def _unless_null(schema: dict[str, Any]) -> dict[str, Any]:
    """In an address nothing is null: it is left out."""
    kept = {name: value for name, value in schema.items() if name not in ("title", "default") or value is not None}
    kinds = kept.pop("anyOf", None)
    if kinds is None:
        return kept
    (kind,) = [one for one in kinds if one.get("type") != "null"]
    return {**kept, **kind}


def _in_header(one: Operation) -> list[dict[str, Any]]:
    if not one.versioned:
        return []
    return [
        {
            "name": "If-Match",
            "in": "header",
            "required": one.versioned == "must",
            "description": "L'ETag de l'élément tel qu'il a été lu.",
            "schema": {"type": "string"},
        }
    ]


def _answers(one: Operation, schemas: Mapping[type[BaseModel], Any]) -> list[tuple[int, dict[str, Any]]]:
    found: list[tuple[int, dict[str, Any]]] = []
    for status, model in sorted(one.answers.items()):
        answer: dict[str, Any] = {"description": one.summary}
        if model is not None:
            answer["content"] = {"application/json": {"schema": schemas[model]}}
            if "version" in model.model_fields:
                answer["headers"] = {"ETag": _ETAG}
        if one.table and status == 200:
            answer["content"][CSV] = {"schema": {"type": "string"}}
        found.append((status, answer))
    problem = {JSON: {"schema": schemas[ProblemSaid]}}
    return [
        *found,
        *((status, {"description": TITLES[status], "content": _unread(status, problem)}) for status in _problems(one)),
    ]


def _unread(status: int, problem: dict[str, Any]) -> dict[str, Any]:
    """An address too long, or with two readings, never gets here: the door refuses it with the page it has for everybody."""
    return {**problem, "text/html": {"schema": {"type": "string"}}} if status in (400, 414) else problem


def _problems(one: Operation) -> list[int]:
    """Every problem this operation can meet, from what it reads."""
    found = {422} if one.free else {*_ALWAYS, 404, 422}
    if one.query is not Nothing:
        found.add(414)
    if one.body is not None:
        found |= {413, 415}
    if one.versioned:
        found.add(412)
    if one.versioned == "must":
        found.add(428)
    if one.method not in ("GET", "HEAD"):
        found.add(409)
    return sorted(found)
