"""Envoy for one run of a resilience scenario: its configuration, its process, what it reports.

Ports in a configuration are nominal (listener 10000, administration 9901, back end i 20000 + i),
so that what is kept beside the data is the same each time; free ones replace them in a run.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from .resilience_answers import Scenario

__all__ = ["CLUSTER", "Envoy", "configuration", "nominal_port"]

CLUSTER = "callee"
LISTENER, ADMINISTRATION, BACK_ENDS = 10000, 9901, 20000
EXTENSIONS = "type.googleapis.com/envoy.extensions."
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": EXTENSIONS + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
LOGGED = {
    "request": "%REQ(X-NUMBER)%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "host": "%UPSTREAM_HOST%",
}
# libevent, which Envoy waits with, reads the kernel's coarse clock unless this variable is set:
# timers then go off up to a tick (4 ms where this was recorded) too early or too late.
PRECISE = "EVENT_PRECISE_TIMER"
# Written down for what a reader of the numbers may look for; the rest is bytes and defaults.
COUNTED = "upstream_rq|upstream_cx|outlier_detection|circuit_breakers|membership|lb_healthy_panic"
GAUGES = "upstream_(cx|rq|rq_pending)_active$"


def nominal_port(back_end: int) -> int:
    """Return the port of a back end in the configuration that is kept."""
    return BACK_ENDS + back_end


def address(port: int) -> dict[str, Any]:
    """Return a port of 127.0.0.1 in Envoy's words."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def configuration(scenario: Scenario, balancer: str) -> dict[str, Any]:
    """Return Envoy's configuration, with nominal ports and files in its working folder."""
    ends = [{"endpoint": {"address": address(nominal_port(i))}} for i in range(scenario.back_ends)]
    cluster = {
        "name": CLUSTER,
        "type": "STATIC",
        "connect_timeout": "5s",
        "lb_policy": balancer,
        "load_assignment": {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": ends}]},
    } | scenario.cluster
    if scenario.http2:
        cluster["typed_extension_protocol_options"] = HTTP2
    virtual_host = {
        "name": "all",
        "domains": ["*"],
        "include_request_attempt_count": True,
        "routes": [
            {
                "match": {"prefix": "/"},
                "route": {"cluster": CLUSTER, "timeout": "0s"} | scenario.route,
            }
        ],
    }
    log = {
        "@type": EXTENSIONS + "access_loggers.file.v3.FileAccessLog",
        "path": "access.log",
        "log_format": {"json_format": LOGGED},
    }
    manager = {
        "@type": EXTENSIONS + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "generate_request_id": False,
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": log}],
        "route_config": {"name": "all", "virtual_hosts": [virtual_host]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": EXTENSIONS + "filters.http.router.v3.Router"},
            }
        ],
    }
    listener = {
        "name": "ingress",
        "address": address(LISTENER),
        # Connections go to the worker that has fewest: with two workers, to each in turn.
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [
            {"filters": [{"name": "envoy.http_connection_manager", "typed_config": manager}]}
        ],
    }
    return {
        "admin": {"address": address(ADMINISTRATION)},
        "cluster_manager": {"outlier_detection": {"event_log_path": "outlier.log"}},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


class Envoy:
    """A running Envoy; what it wrote is in `folder`."""

    def __init__(
        self,
        program: str,
        workers: int,
        text: str,
        ports: dict[int, int],
        folder: Path,
        precise: bool,
    ) -> None:
        text = re.sub(r'(?<="port_value": )\d+', lambda found: str(ports[int(found[0])]), text)
        self.port, self.administration = ports[LISTENER], ports[ADMINISTRATION]
        self.folder = folder
        self.taken: list[int] = []  # connections of each worker
        (folder / "envoy.json").write_text(text)
        (folder / "access.log").touch()
        (folder / "outlier.log").touch()
        asked = ["-c", "envoy.json", "--concurrency", str(workers), "--use-dynamic-base-id"]
        quiet = ["--log-level", "error", "--file-flush-interval-msec", "50"]
        environment = os.environ | ({PRECISE: "1"} if precise else {})
        command = [program, *asked, *quiet]
        self.process = subprocess.Popen(command, cwd=folder, env=environment)
        self.started = time.monotonic()

    async def get(self, path: str) -> str:
        """Return what the administration port answers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.administration)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n".encode())
        text = (await reader.read()).decode()
        writer.close()
        head, _, body = text.partition("\r\n\r\n")
        if "chunked" not in head:
            return body
        whole = ""
        while body:
            size, _, body = body.partition("\r\n")
            whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
        return whole

    async def stats(self, pattern: str) -> dict[str, int]:
        """Return the counters and gauges whose name matches a regular expression."""
        lines = (await self.get(f"/stats?filter={pattern}")).splitlines()
        pairs = (line.rsplit(": ", 1) for line in lines if ": " in line)
        return {name: int(value) for name, value in pairs if value.isdigit()}

    async def gauges(self) -> dict[str, int]:
        """Return how many connections, active and pending requests the cluster has now."""
        prefix = f"cluster.{CLUSTER}."
        found = await self.stats(f"^cluster.{CLUSTER}.{GAUGES}")
        return {name.removeprefix(prefix): value for name, value in found.items()}

    async def counters(self) -> dict[str, int]:
        """Return what the cluster counted, without what is zero."""
        prefix = f"cluster.{CLUSTER}."
        found = await self.stats(f"^cluster.{CLUSTER}.*({COUNTED}).*")
        return {
            name.removeprefix(prefix): value
            for name, value in found.items()
            if value and "bytes" not in name
        }

    async def newest_worker(self) -> int:
        """Return which worker takes the latest connection (call it after each)."""
        before = self.taken
        for _ in range(100):
            active = await self.stats("^listener.*worker_[0-9]*.downstream_cx_active")
            now = [value for _, value in sorted(active.items())]
            changed = [
                i for i, count in enumerate(now) if count == (before or [0] * len(now))[i] + 1
            ]
            if len(changed) == 1:
                self.taken = now
                return changed[0]
            await asyncio.sleep(0.001)
        raise RuntimeError(f"one new connection, but the workers have {now} after {before}")

    async def logged(self, count: int) -> list[dict[str, str]]:
        """Return the access log once it has all `count` requests, by request number."""
        for _ in range(100):
            lines = (self.folder / "access.log").read_text().splitlines()
            if len(lines) >= count:
                return sorted(map(json.loads, lines), key=lambda line: int(line["request"]))
            await asyncio.sleep(0.05)
        raise RuntimeError(f"the access log has {len(lines)} lines after {count} requests")

    def events(self) -> list[dict[str, Any]]:
        """Return the log of ejections."""
        lines = (self.folder / "outlier.log").read_text().splitlines()
        return [json.loads(line) for line in lines]
