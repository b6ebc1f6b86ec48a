"""What is done to jobs that are there: list, get, logs, delete, update.

`connect` is called once the command line makes sense: `--help` needs no engine.
"""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress

from tidegate.cli.arena.change import changeable, changed_documents
from tidegate.cli.arena.jobs import Job, find_jobs, one_job, padded
from tidegate.cli.arena.log import Log
from tidegate.cli.arena.parse import Parser, parse_change
from tidegate.cli.arena.render_istio import gateway_name
from tidegate.cli.arena.show import as_output, job_text, job_values, list_table
from tidegate.cli.arena.submit import apply_documents
from tidegate.cli.arena.types import TYPES, ServeType, type_named
from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.errors import CliError, Told, Usage
from tidegate.model.errors import NotFound

Connect = Callable[[], Cluster]
_TYPES = ", ".join(type_.name for type_ in TYPES)
_SHOWN = "a table (wide), json or yaml"


_UPDATE_HELP = f"""Usage: arena serve update TYPE --name=NAME [FLAGS]

Change a serving job; only the flags that are given change anything.

TYPE is one of {_TYPES}; `arena serve update TYPE --help` lists its flags.

Example: arena serve update custom --name=demo --replicas=2"""


def list_jobs(argv: Sequence[str], connect: Connect, now_s: float) -> int:
    parser = _parser("list", "List serving jobs.", "arena serve list -A")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    parser.add_argument(
        "-o", "--output", choices=("wide", "json", "yaml"), default="wide", help=_SHOWN
    )
    given = parser.parse_args(list(argv))
    namespace = None if given.all_namespaces else given.namespace
    jobs = find_jobs(connect(), namespace, type_=_type(given))
    if given.output == "wide":
        print(list_table(jobs, all_namespaces=given.all_namespaces), end="")
    else:
        values = [job_values(job, now_s) for job in jobs]
        print(as_output(values, given.output), end="")
    return 0


def get_job(argv: Sequence[str], connect: Connect, now_s: float) -> int:
    parser = _parser("get", "Show one serving job.", "arena serve get sklearn-iris")
    parser.add_argument("name", help="the job's name")
    parser.add_argument("-v", "--version", help="of the job, where it has several")
    parser.add_argument(
        "-o", "--output", choices=("wide", "json", "yaml"), default="wide", help=_SHOWN
    )
    given = parser.parse_args(list(argv))
    job = _the_job(connect(), given)
    if given.output == "wide":
        print(job_text(job, now_s), end="")
    else:
        print(as_output(job_values(job, now_s), given.output), end="")
    return 0


def show_logs(argv: Sequence[str], connect: Connect) -> int:
    parser = _parser("logs", "Print an instance's log.", "arena serve logs sklearn-iris -f")
    parser.add_argument("name", help="the job's name")
    parser.add_argument("-v", "--version", help="of the job, where it has several")
    parser.add_argument("-i", "--instance", help="a pod, where the job has several")
    parser.add_argument("-c", "--container", help="of the pod (the one with the port)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--since", type=_seconds, help="only the last 10s, 5m or 1h")
    parser.add_argument("--since-time", help="only from then on (RFC 3339)")
    parser.add_argument("-t", "--tail", type=int, default=-1, help="lines from the end (all)")
    parser.add_argument("--timestamps", action="store_true", help="each line with its time")
    given = parser.parse_args(list(argv))
    cluster = connect()
    job = _the_job(cluster, given)
    pod = _instance(job, given.instance)
    query = {
        key: value
        for key, value in (
            ("container", given.container),
            ("follow", "true" if given.follow else None),
            ("sinceSeconds", None if given.since is None else str(given.since)),
            ("sinceTime", given.since_time),
            ("tailLines", str(given.tail) if given.tail >= 0 else None),
            ("timestamps", "true" if given.timestamps else None),
        )
        if value is not None
    }
    for line in cluster.log(job.namespace, pod, query):
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
    return 0


def delete_jobs(argv: Sequence[str], connect: Connect, log: Log) -> int:
    parser = _parser("delete", "Delete serving jobs.", "arena serve delete sklearn-iris")
    parser.add_argument("names", nargs="+", help="the jobs' names")
    parser.add_argument("-v", "--version", help="of the job, where it has several")
    given = parser.parse_args(list(argv))
    cluster = connect()
    for name in given.names:
        jobs = find_jobs(
            cluster, given.namespace, name=name, version=given.version, type_=_type(given)
        )
        if not jobs:
            log.say(f"The serving job '{name}' does not exist,skip to delete it.")
            continue
        job = one_job(jobs, name)
        for line in _delete(cluster, job, last=_is_last(cluster, job)):
            print(line, flush=True)
        log.say(f"The serving job {name} with version {job.version} has been deleted successfully")
    return 0


def update_job(argv: Sequence[str], connect: Connect, log: Log) -> int:
    """Only the flags that are given change anything (Arena's own resets replicas)."""
    if argv and argv[0] in ("-h", "--help"):
        print(_UPDATE_HELP)
        return 0
    if not argv or argv[0].startswith("-"):
        raise Usage(f"arena serve update TYPE --name=NAME: TYPE is one of {_TYPES}")
    type_ = type_named(argv[0])
    options = parse_change(type_, f"arena serve update {type_.name}", argv[1:], changeable(type_))
    if not options.name:
        raise Usage("--name is missing: which job is to be changed?")
    cluster, namespace = connect(), options.namespace or "default"
    jobs = find_jobs(cluster, namespace, name=options.name, version=options.version, type_=type_)
    job = one_job(jobs, options.name)
    apply_documents(cluster, changed_documents(job, options))
    log.say(
        f"The serving job {options.name} with version {job.version} has been updated successfully"
    )
    return 0


def _is_last(cluster: Cluster, job: Job) -> bool:
    """Whether no other version is left that shares its Service."""
    others = find_jobs(cluster, job.namespace, name=job.name, type_=job.type)
    return all(other.version == job.version for other in others)


def _delete(cluster: Cluster, job: Job, *, last: bool) -> list[str]:
    """Everything that was submitted for the job; what its versions share, with the last of them (Arena
    takes the Service with the version that brought it)."""
    said = []
    doomed = [("inferenceservices.serving.kserve.io", job.object["metadata"]["name"])]
    if job.type.kind == "Deployment":
        doomed = [("deployments.apps", job.object["metadata"]["name"])]
        if job.shared is None or last:
            doomed += [("services", service["metadata"]["name"]) for service in job.services]
        if job.shared is not None and last:
            doomed += _routes(cluster, job)
    else:
        labels = f"servingType=kserve,servingName={job.name},!serving.kserve.io/inferenceservice"
        for kind in ("horizontalpodautoscalers.autoscaling", "services"):
            resource = find_kind(cluster.resources(), kind)
            for obj in cluster.items(resource, job.namespace, selector=labels):
                doomed.append((kind, obj["metadata"]["name"]))
    release = f"release={job.object['metadata'].get('labels', {}).get('release', '')}"
    maps = find_kind(cluster.resources(), "configmaps")
    for found in cluster.items(maps, job.namespace, selector=f"{release},servingName={job.name}"):
        doomed.append(("configmaps", found["metadata"]["name"]))
    for kind, name in doomed:
        resource = find_kind(cluster.resources(), kind)
        cluster.delete(resource, job.namespace, name)
        said.append(f'{resource.qualified} "{name}" deleted')
    return said


def _routes(cluster: Cluster, job: Job) -> list[tuple[str, str]]:
    """Istio's documents of a job, those that are there."""
    found = []
    for word, name in (
        ("virtualservices.networking.istio.io", job.name),
        ("destinationrules.networking.istio.io", job.name),
        ("gateways.networking.istio.io", gateway_name(job.name)),
    ):
        with suppress(NotFound):
            cluster.read(find_kind(cluster.resources(), word), job.namespace, name)
            found.append((word, name))
    return found


def _the_job(cluster: Cluster, given: Namespace) -> Job:
    jobs = find_jobs(
        cluster, given.namespace, name=given.name, version=given.version, type_=_type(given)
    )
    return one_job(jobs, given.name)


def _instance(job: Job, wanted: str | None) -> str:
    names = [str(pod["metadata"]["name"]) for pod in job.pods]
    if wanted is not None:
        if wanted not in names:
            raise CliError(f"instance {wanted} of {job.name} not found: it has {', '.join(names)}")
        return wanted
    if not names:
        raise CliError(f"the serving job {job.name} has no instance right now")
    if len(names) > 1:
        listed = "\n".join(padded([["NAME"], *([name] for name in names)]))
        raise Told(
            f"There is {len(names)} instances have been found:\n\n{listed}\n\n"
            "please use '-i' or '--instance' to filter."
        )
    return names[0]


def _parser(command: str, about: str, example: str) -> Parser:
    parser = Parser(f"arena serve {command}", about, example)
    parser.add_argument("-n", "--namespace", default="default", help="of the job (default)")
    parser.add_argument("-T", "--type", help=f"{_TYPES}: only jobs of that type")
    return parser


def _type(given: Namespace) -> ServeType | None:
    return type_named(given.type) if given.type else None


def _seconds(text: str) -> int:
    from tidegate.kit.duration import BadDuration, parse_duration

    try:
        return int(parse_duration(text))
    except BadDuration as why:
        raise ArgumentTypeError(f"{text!r} is no time: write 10s, 5m or 1h") from why
