"""The API as a room of the pages' application: the routes of the table, and what happens around each operation.

In this order: the method (405), who asks (401, 403, 429), the address (404), the version (428), the query and the body
(400, 413, 415, 422), the act itself. Every answer is ``no-store`` and carries the headers of all pages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.administration.actor import Actor
from gateway.api import entrance, problem, reading
from gateway.api.operation import CSV, Call, Operation, Reply
from gateway.api.problem import Problem
from gateway.pages.base import Visit, dress
from gateway.pages.house import House
from gateway.reasons import GatewayError, Reason

ROOT = "/api/v1"
_NOBODY = Actor("", "", ())
_log = structlog.get_logger("gateway.api")


class Api:
    """``operations``: the table; ``actor_of``: of a token (``Tokens.actor_of``)."""

    def __init__(self, house: House, operations: Sequence[Operation], actor_of: entrance.ActorOf) -> None:
        self._base = house.prefix + ROOT
        self._actor_of = actor_of
        self._paths: dict[str, dict[str, Operation]] = {}
        for one in operations:
            methods = self._paths.setdefault(one.path, {})
            if one.method in methods:
                raise ValueError(f"two operations of one address: {one.method} {one.path}")
            methods[one.method] = one

    def routes(self) -> list[web.RouteDef]:
        """Every method of every address, so that what is not served is said in our words; unknown addresses last."""
        found = [
            web.route(hdrs.METH_ANY, f"{self._base}/{path}", self._handler(methods))
            for path, methods in sorted(self._paths.items(), key=lambda one: "{" in one[0])
        ]
        nowhere = [self._base, self._base + "/{rest:.*}"]
        return [*found, *(web.route(hdrs.METH_ANY, path, self._handler({})) for path in nowhere)]

    def _handler(self, methods: Mapping[str, Operation]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            return await self._answer(request, methods)

        return handler

    async def _answer(self, request: web.Request, methods: Mapping[str, Operation]) -> web.StreamResponse:
        visit = entrance.visitor(request)
        answer: web.StreamResponse
        try:
            operation = _served(request, methods)
            if operation is None:
                answer = web.Response(status=204, headers={"Allow": _allowed(methods)})
            else:
                visit, actor = await self._who(request, visit, operation)
                reply = await operation.work(await self._read(visit, actor, operation))
                answer = await _said(reply)
        except Problem as refused:
            answer = problem.answer(visit, refused)
        except (web.RequestPayloadError, HttpProcessingError):  # a body that breaks off, or is not what it says
            answer = problem.answer(visit, Problem(400, Reason.BAD_REQUEST, "Le corps ne peut pas être lu."))
        except GatewayError as error:
            said = problem.problem_of(error)
            if said.status == 503:
                _log.warning(
                    "dependency down", reason=error.reason.value, error=str(error), correlation=visit.request_id
                )
            answer = problem.answer(visit, said)
        except Exception as error:  # a fault of ours: one answer, one line, and everybody else goes on (G3)
            _log.exception(
                "operation failed", error=type(error).__name__, correlation=visit.request_id, path=request.path
            )
            answer = problem.answer(visit, Problem(500, Reason.INTERNAL))
        dress(request, answer, visit)
        if isinstance(answer, _Lines):
            await answer.send(request)
        return answer

    async def _who(self, request: web.Request, visit: Visit, operation: Operation) -> tuple[Visit, Actor]:
        if operation.free:
            return visit, _NOBODY
        if hdrs.AUTHORIZATION in request.headers:
            found = visit, await entrance.by_token(visit, self._actor_of)
        else:
            found = await entrance.by_session(request)
        await visit.house.rules.catch_up()
        return found

    async def _read(self, visit: Visit, actor: Actor, operation: Operation) -> Call:
        request = visit.request
        for part in request.match_info.values():
            if not part.isprintable() or len(part) > 200:
                raise problem.nothing_there()
        version = None
        if operation.versioned:
            version = reading.version_of(request, needed=operation.versioned == "must")
        query = reading.model_of(operation.query, reading.query_of(request))
        body = None
        if operation.upload:
            reading.check_kind(request, operation.kinds)
        elif operation.body is not None:
            body = reading.model_of(operation.body, await reading.body_of(request, operation.kinds))
        csv = operation.table and (getattr(query, "format", None) or _preferred(request)) == "csv"
        return Call(visit, actor, self._base, dict(request.match_info), query, body, version, csv)


def _served(request: web.Request, methods: Mapping[str, Operation]) -> Operation | None:
    """The operation asked for; ``None`` for OPTIONS. Raises ``Problem`` (404, 405)."""
    if not methods:
        raise problem.nothing_there()
    method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
    if method in methods:
        return methods[method]
    if method == hdrs.METH_OPTIONS:
        return None
    raise Problem(405, Reason.BAD_METHOD, headers={"Allow": _allowed(methods)})


def _allowed(methods: Mapping[str, Operation]) -> str:
    return ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"}))


def _preferred(request: web.Request) -> str:
    """``csv`` when the first kind that ``Accept`` names, and that is answered here, is a table."""
    for part in request.headers.get("Accept", "").split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind == CSV:
            return "csv"
        if kind in ("application/json", "application/*", "*/*"):
            return "json"
    return "json"


class _Lines(web.StreamResponse):
    """A table sent as it is made. What fails on the way breaks the answer visibly; it never ends as if whole."""

    def __init__(self, first: str, lines: AsyncIterator[str], reply: Reply) -> None:
        super().__init__(status=reply.status, headers=reply.headers)
        self.content_type = CSV
        self.charset = "utf-8"
        self.headers["Content-Disposition"] = f'attachment; filename="{reply.file}"'
        self._first = first
        self._lines = lines

    async def send(self, request: web.Request) -> None:
        await self.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await self.write(self._first.encode("utf-8"))
            async for line in self._lines:
                await self.write(line.encode("utf-8"))
        await self.write_eof()


async def _said(reply: Reply) -> web.StreamResponse:
    if reply.lines is not None:  # the first line now: what cannot be asked is still a problem, and no broken table
        return _Lines(await anext(reply.lines, ""), reply.lines, reply)
    if reply.body is None:
        return web.Response(status=reply.status, headers=reply.headers)
    text = reply.body.model_dump_json(by_alias=True)
    return web.Response(status=reply.status, headers=reply.headers, body=text.encode(), content_type="application/json")
