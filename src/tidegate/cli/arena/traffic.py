"""`arena serve traffic-router-split`: shares of the versions of a job that was submitted with
`--enable-istio`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidegate.cli.arena.jobs import find_jobs, found_kind
from tidegate.cli.arena.log import Log
from tidegate.cli.arena.parse import Parser, printed_as
from tidegate.cli.arena.render_istio import (
    check_name,
    gateway,
    gateway_name,
    read_weights,
    split,
)
from tidegate.cli.arena.render_pods import Json
from tidegate.cli.arena.submit import as_text, send
from tidegate.cli.cluster import Cluster
from tidegate.cli.errors import CliError
from tidegate.model.errors import NotFound


def split_traffic(argv: Sequence[str], connect: Callable[[], Cluster], log: Log) -> int:
    """Write the job's DestinationRule and VirtualService. Raises `Usage`, `CliError`, `ApiError`."""
    parser = Parser(
        "arena serve traffic-router-split",
        "Share a job's requests out between its versions.",
        "arena serve traffic-router-split --name=bert -v 1:80 -v 2:20",
    )
    parser.add_argument("--name", required=True, help="the job's name")
    parser.add_argument("-n", "--namespace", default="default")
    parser.add_argument(
        "-v",
        "--version-weight",
        action="append",
        required=True,
        help="a version and its percent, as version:weight; once for each",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the documents instead")
    parser.add_argument(
        "-o", "--output", choices=("yaml", "json"), help="of --dry-run: yaml (default) or json"
    )
    given = parser.parse_args(list(argv))
    check_name(given.name)
    weights = read_weights(given.version_weight)
    documents = split(given.name, given.namespace, weights)
    output = printed_as(dry_run=given.dry_run, output=given.output)
    if output:
        print(as_text(documents, output), end="")
        return 0
    cluster = connect()
    _check_versions(cluster, given.namespace, given.name, [one.version for one in weights])
    send(cluster, [*_missing_gateway(cluster, given.namespace, given.name), *documents])
    log.say(f"Succeed to split the traffic for serving job {given.name}")
    return 0


def _check_versions(cluster: Cluster, namespace: str, name: str, wanted: Sequence[str]) -> None:
    """Arena writes whatever it is told; shares of versions that are not there would be errors for
    those who ask."""
    jobs = [
        job for job in find_jobs(cluster, namespace, name=name) if job.type.kind == "Deployment"
    ]
    if not jobs:
        raise CliError(
            f"Not found serving job {name}, please check it with `arena serve list | grep {name}` "
        )
    there = [job.version for job in jobs]
    for version in wanted:
        if version not in there:
            raise CliError(
                f"the serving job {name} has no version {version}: it has {', '.join(there)}"
            )
    if not any(job.shared is not None for job in jobs):
        raise CliError(
            f"the versions of the serving job {name} share no Service {name}: submit them with "
            "--enable-istio (--expose-service), or split with a canary Ingress"
        )


def _missing_gateway(cluster: Cluster, namespace: str, name: str) -> list[Json]:
    """A job that was submitted without `--expose-service` has none, and nobody would be served."""
    try:
        cluster.read(
            found_kind(cluster, "gateways.networking.istio.io"), namespace, gateway_name(name)
        )
    except NotFound:
        return [gateway(name, namespace)]
    return []
