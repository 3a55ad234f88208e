"""The configuration of Envoy, HAProxy and nginx for every recording, and how they are started.

Each proxy runs once, with one worker and one port; the ``Host`` of a request, ``POLICY.LIST``,
selects the policy and the list of hosts.  Nothing is checked, retried or ejected, so a pick
depends on nothing but the rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .hosts import LISTS, PORT, HostList

__all__ = ["RECORDINGS", "Recording", "command", "configuration"]


@dataclass(frozen=True)
class Recording:
    """One proxy under one policy, for each list that the policy makes sense for.

    Parameters
    ----------
    keyed : bool
        Whether the pick looks at the key; otherwise requests have none and are counted.
    weighted : bool
        Whether only lists with unequal weights are recorded.
    window : int
        How many requests stay unanswered, see `exchange`.
    settings
        The proxy's own configuration: of a cluster (Envoy, JSON), lines of a back end (HAProxy) or
        of an upstream (nginx).
    server : str
        What follows every server line (HAProxy).
    """

    proxy: str
    policy: str
    settings: dict[str, Any] | tuple[str, ...]
    keyed: bool = False
    weighted: bool = False
    window: int = 0
    server: str = ""

    @property
    def name(self) -> str:
        """The file without its suffix."""
        return f"{self.proxy}-{self.policy}"

    @property
    def scheduled(self) -> bool:
        """Whether the picks come from Envoy's schedule, which begins at a random place."""
        return self.proxy == "envoy" and not self.keyed

    def lists(self) -> tuple[HostList, ...]:
        """Return the lists that are recorded."""
        return tuple(hosts for hosts in LISTS if hosts.weighted or not self.weighted)

    def host(self, hosts: HostList) -> str:
        """Return the ``Host`` that selects this policy over `hosts`."""
        return f"{self.policy}.{hosts.name.replace('_', '-')}"


BOUNDED = {"common_lb_config": {"consistent_hashing_lb_config": {"hash_balance_factor": 110}}}
MURMUR = {"ring_hash_lb_config": {"hash_function": "MURMUR_HASH_2"}}
RECORDINGS = (
    Recording("envoy", "ring-hash", {"lb_policy": "RING_HASH"}, keyed=True),
    Recording("envoy", "ring-hash-murmur", {"lb_policy": "RING_HASH"} | MURMUR, keyed=True),
    Recording("envoy", "maglev", {"lb_policy": "MAGLEV"}, keyed=True),
    Recording(
        "envoy", "ring-hash-bounded", {"lb_policy": "RING_HASH"} | BOUNDED, keyed=True, window=30
    ),
    Recording("envoy", "maglev-bounded", {"lb_policy": "MAGLEV"} | BOUNDED, keyed=True, window=30),
    Recording("envoy", "round-robin", {"lb_policy": "ROUND_ROBIN"}),
    Recording("envoy", "least-request", {"lb_policy": "LEAST_REQUEST"}, weighted=True),
    Recording(
        "envoy", "least-request-busy", {"lb_policy": "LEAST_REQUEST"}, weighted=True, window=30
    ),
    Recording("haproxy", "roundrobin", ("balance roundrobin",)),
    Recording("haproxy", "static-rr", ("balance static-rr",)),
    Recording("haproxy", "leastconn", ("balance leastconn",)),
    Recording("haproxy", "leastconn-busy", ("balance leastconn",), window=30),
    Recording("haproxy", "first", ("balance first",)),
    Recording("haproxy", "first-busy", ("balance first",), window=8, server=" maxconn 4"),
    Recording("haproxy", "map-based", ("balance hdr(x-key)", "hash-type map-based"), keyed=True),
    Recording("haproxy", "consistent", ("balance hdr(x-key)", "hash-type consistent"), keyed=True),
    Recording("nginx", "round-robin", ()),
    Recording("nginx", "hash", ("hash $http_x_key;",), keyed=True),
    Recording("nginx", "hash-consistent", ("hash $http_x_key consistent;",), keyed=True),
)


def cases(proxy: str) -> Iterator[tuple[Recording, HostList]]:
    """Yield every recording of `proxy` with every list of it."""
    for recording in RECORDINGS:
        if recording.proxy == proxy:
            for hosts in recording.lists():
                yield recording, hosts


def envoy(port: int) -> str:
    """Return Envoy's bootstrap: one listener, a virtual host and a cluster for each case."""
    clusters, virtual_hosts = [], []
    for recording, hosts in cases("envoy"):
        assert isinstance(recording.settings, dict)
        name = recording.host(hosts)
        endpoints = [
            {
                "endpoint": {"address": {"socket_address": {"address": host, "port_value": PORT}}},
                "load_balancing_weight": weight,
            }
            for host, weight in zip(hosts.hosts, hosts.weights, strict=True)
        ]
        clusters.append(
            {
                "name": name,
                "type": "STATIC",
                "connect_timeout": "5s",
                "load_assignment": {
                    "cluster_name": name,
                    "endpoints": [{"lb_endpoints": endpoints}],
                },
            }
            | recording.settings
        )
        route = {"cluster": name, "hash_policy": [{"header": {"header_name": "x-key"}}]}
        virtual_hosts.append(
            {
                "name": name,
                "domains": [name],
                "routes": [{"match": {"prefix": "/"}, "route": route | {"timeout": "0s"}}],
            }
        )
    types = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "recording",
        "route_config": {"virtual_hosts": virtual_hosts},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{types}.http.router.v3.Router"},
            }
        ],
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }
    return json.dumps({"static_resources": {"listeners": [listener], "clusters": clusters}})


def haproxy(port: int) -> str:
    """Return HAProxy's configuration: a back end for each case, chosen by name."""
    lines = ["global", "    nbthread 1", "    maxconn 4000", "defaults", "    mode http"]
    lines += [f"    timeout {what} 60s" for what in ("client", "server", "connect")]
    # The connection to a server ends with its request, so that no request prefers the server
    # that the client's connection used last.
    lines += ["    option http-server-close", "frontend all", f"    bind 127.0.0.1:{port}"]
    lines += ["    use_backend %[req.hdr(host)]"]
    for recording, hosts in cases("haproxy"):
        lines.append(f"backend {recording.host(hosts)}")
        lines += [f"    {setting}" for setting in recording.settings]
        lines += [
            f"    server s{i} {address} weight {weight}{recording.server}"
            for i, (address, weight) in enumerate(zip(hosts.addresses, hosts.weights, strict=True))
        ]
    return "\n".join(lines) + "\n"


def nginx(port: int) -> str:
    """Return nginx's configuration: an upstream and a server for each case."""
    lines = ["worker_processes 1;", "daemon off;", "pid nginx.pid;", "error_log stderr warn;"]
    lines += ["events { worker_connections 1024; }", "http {", "access_log off;"]
    lines += ["server_names_hash_bucket_size 128;", "keepalive_requests 100000;"]
    for recording, hosts in cases("nginx"):
        name = recording.host(hosts)
        lines += [f"upstream {name} {{", *map(str, recording.settings)]
        lines += [
            f"server {address} weight={weight};"
            for address, weight in zip(hosts.addresses, hosts.weights, strict=True)
        ]
        lines += ["}", f"server {{ listen 127.0.0.1:{port}; server_name {name};"]
        lines += [f"location / {{ proxy_pass http://{name}; }} }}"]
    return "\n".join([*lines, "}"]) + "\n"


def configuration(proxy: str, port: int) -> str:
    """Return the whole configuration file of `proxy`, listening on 127.0.0.1:`port`."""
    return {"envoy": envoy, "haproxy": haproxy, "nginx": nginx}[proxy](port)


def command(proxy: str, program: str, file: Path) -> list[str]:
    """Return how `proxy` is started in the foreground with the configuration `file`."""
    if proxy == "envoy":
        quiet = ["--use-dynamic-base-id", "--log-level", "error"]
        return [program, "-c", str(file), "--concurrency", "1", *quiet]
    if proxy == "haproxy":
        return [program, "-db", "-f", str(file)]
    return [program, "-p", str(file.parent), "-c", str(file)]
