"""The management listener: alive, ready, metrics, version. On its own address, never through the door.

It shows no secret, hash or identifier. ``/readyz`` says per dependency whether it answers, and fails first when the
gateway drains, so that a load balancer looks elsewhere. ``/readyz?exclude=store&exclude=records`` leaves these out (as
the API server of Kubernetes has it): for whoever sends people nowhere at all once no gateway is ready. What all of them
share is then down for all of them, and each still has its public pages, and pages that say what is the matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway import __version__
from gateway.proxy.limits import Meters

Check = Callable[[], Awaitable[str | None]]


def make_app(checks: Mapping[str, Check], collect: Callable[[], Awaitable[bytes]]) -> web.Application:
    """``checks``: by name, ``None`` when the dependency answers, otherwise a short word why not. ``collect``: all metrics,
    in the text format of Prometheus. Alive and ready are said of the worker that is asked, whichever that is."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(request: web.Request) -> web.Response:
        excluded = request.query.getall("exclude", ())  # a name that is none excludes nothing
        asked = [name for name in checks if name not in excluded]
        found = dict(zip(asked, await asyncio.gather(*(checks[name]() for name in asked)), strict=True))
        ready = all(fault is None for fault in found.values())
        details = {name: fault or "ok" for name, fault in found.items()}
        answer = web.json_response({"ready": ready, "checks": details}, status=200 if ready else 503)
        if not ready:
            answer.force_close()  # who asks again may be accepted by a worker that is
        return answer

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await collect(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"version": __version__})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/version", version)
    return app


class LoopMetrics:
    """``worst``: the longest delay of the event loop in seconds since it was asked last."""

    def __init__(self, worst: Callable[[], float]) -> None:
        self._worst = worst

    def collect(self) -> list[Metric]:
        lag = GaugeMetricFamily("vtgw_loop_lag_seconds", "Longest delay of the event loop since the last scrape")
        lag.add_metric([], self._worst())
        return [lag]


class EpochMetrics:
    """The epoch this worker knows: the same in all of them, a moment after it changed. 0: not known yet."""

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number

    def collect(self) -> list[Metric]:
        epoch = GaugeMetricFamily("vtgw_epoch", "Epoch of what the store holds; each new one signed everybody out")
        epoch.add_metric([], self._number())
        return [epoch]


class DoorMetrics:
    """The door's plain numbers, as metrics with bounded labels."""

    def __init__(self, meters: Meters, flush: Callable[[], None], list_ages: Callable[[], Mapping[str, float]]) -> None:
        self._meters = meters
        self._flush = flush  # counts what is over and was not counted yet
        self._list_ages = list_ages

    def collect(self) -> list[Metric]:
        self._flush()
        meters = self._meters
        requests = CounterMetricFamily("vtgw_requests", "Requests by status", labels=["status"])
        for status, count in meters.statuses.items():
            requests.add_metric([str(status)], count)
        refusals = CounterMetricFamily("vtgw_refusals", "Requests by reason of refusal", labels=["reason"])
        for reason, count in meters.reasons.items():
            refusals.add_metric([reason], count)
        found: list[Metric] = [requests, refusals]
        for name, text, value in (
            ("vtgw_bytes_in", "Bytes of request bodies", meters.bytes_in),
            ("vtgw_bytes_out", "Bytes sent to clients", meters.bytes_out),
            ("vtgw_retries", "Requests sent again on a new connection", meters.retries),
            ("vtgw_upstream_opened", "Connections opened to backends", meters.upstream_opened),
            ("vtgw_request_seconds", "Time spent on requests", meters.seconds),
            ("vtgw_tunnels", "WebSockets opened", meters.tunnels),
        ):
            counter = CounterMetricFamily(name, text)
            counter.add_metric([], value)
            found.append(counter)
        servers = ["backend", "server"]
        for name, text, counts in (
            ("vtgw_backend_failures", "Failures of a server that requests met", meters.upstream_failures),
            ("vtgw_backend_ejections", "Times a server was left out", meters.ejections),
        ):
            counter = CounterMetricFamily(name, text, labels=servers)
            for key, number in counts.items():
                counter.add_metric(list(key), number)
            found.append(counter)
        out = GaugeMetricFamily("vtgw_backend_out", "Servers left out at this moment", labels=servers)
        for key in meters.out:
            out.add_metric(list(key), 1)
        found.append(out)
        connections = GaugeMetricFamily("vtgw_connections", "Open client connections")
        connections.add_metric([], meters.connections)
        found.append(connections)
        if ages := self._list_ages():
            family = GaugeMetricFamily("vtgw_crl_age_seconds", "Age of revocation lists", labels=["authority"])
            for name, age in ages.items():
                family.add_metric([name], age)
            found.append(family)
        return found


class HouseMetrics:
    """What happened in the pages and behind them: acts by reason (both closed lists), notices, jobs."""

    def __init__(
        self,
        acts: Mapping[tuple[str, str], int],
        notices: Callable[[], tuple[int, int]],
        jobs: Callable[[], tuple[Mapping[str, int], Mapping[str, int]]],
    ) -> None:
        self._acts = acts
        self._notices = notices
        self._jobs = jobs

    def collect(self) -> list[Metric]:
        acts = CounterMetricFamily("vtgw_acts", "Acts written down", labels=["act", "reason"])
        for (act, reason), count in self._acts.items():
            acts.add_metric([act, reason], count)
        notices = CounterMetricFamily("vtgw_notices", "Mails sent in the background", labels=["outcome"])
        for outcome, count in zip(("sent", "lost"), self._notices(), strict=True):
            notices.add_metric([outcome], count)
        jobs = CounterMetricFamily("vtgw_jobs", "Jobs this worker did", labels=["task", "outcome"])
        for outcome, counts in zip(("done", "failed"), self._jobs(), strict=True):
            for name, count in counts.items():
                jobs.add_metric([name, outcome], count)
        return [acts, notices, jobs]
