"""Serving jobs as the API knows them: Deployments and InferenceServices with Arena's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import ceil

from tidegate.cli.arena.render_istio import weights_of
from tidegate.cli.arena.render_pods import GPU, GPU_CORE, GPU_MEMORY, Json
from tidegate.cli.arena.types import ServeType, type_labelled
from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import Resource, find_kind
from tidegate.cli.errors import CliError, Told
from tidegate.kit.quantity import parse_quantity
from tidegate.model.errors import NotFound

_PREDICTOR = "component=predictor"
_GPU_COUNT = (
    "aliyun.com/gpu-count"  # of a Node's capacity: how many cards its gpu-mem is spread over
)
_PORT_WORDS = {"grpc-serving": "GRPC", "http-serving": "RESTFUL", "http-metrics": "METRICS"}


@dataclass(frozen=True, slots=True)
class Job:
    """One version of one job. `deployments` are what runs it, `services` what leads to it.

    `shared`: the Service of all versions (`--enable-istio`); None: each has its own. `share`: percent of
    its requests; None: nobody has split them, or there is one version. `card_gib`: of one card of each
    node, where pods share cards.
    """

    name: str
    namespace: str
    version: str
    type: ServeType
    object: Json
    deployments: tuple[Json, ...]
    services: tuple[Json, ...]
    pods: tuple[Json, ...]
    shared: Json | None = None
    share: int | None = None
    card_gib: Mapping[str, float] = field(default_factory=dict)

    @property
    def desired(self) -> int:
        return sum(d.get("status", {}).get("replicas", 0) for d in self.deployments)

    @property
    def available(self) -> int:
        return sum(d.get("status", {}).get("availableReplicas", 0) for d in self.deployments)

    @property
    def address(self) -> str:
        """A load balancer's address, a cluster IP, an InferenceService's URL, or N/A; of a version that
        gets a part of the requests, with that part."""
        if self.share == 0:
            return "N/A"
        part = "" if self.share in (None, 100) else f"({self.share}%)"
        return f"{self._place}{part}"

    @property
    def _place(self) -> str:
        if self.type.kind == "InferenceService":
            return str(self.object.get("status", {}).get("url") or "N/A")
        for service in self.services:
            for ingress in service.get("status", {}).get("loadBalancer", {}).get("ingress", ()):
                return str(ingress.get("ip") or ingress.get("hostname"))
        for service in self.services:
            address = service["spec"].get("clusterIP")
            if address and address != "None":
                return str(address)
        return "N/A"

    @property
    def endpoints(self) -> list[tuple[str, int]]:
        """Arena's words for its ports, and their numbers; an InferenceService's one has no word."""
        if self.type.kind == "InferenceService":
            return [("", 80)] if self.object.get("status", {}).get("url") else []
        if self.share == 0:
            return []
        return [
            (_PORT_WORDS[port["name"]], port["port"])
            for service in self.services
            for port in service["spec"].get("ports", ())
            if port.get("name") in _PORT_WORDS
        ]

    @property
    def ports(self) -> str:
        return ",".join(f"{word}:{number}" for word, number in self.endpoints) or "N/A"

    @property
    def gpus(self) -> float:
        """Cards of the pods that run; shared memory counts as a part of its card."""
        return sum(self.gpus_of(pod) for pod in self.pods)

    def gpus_of(self, pod: Json) -> float:
        """Cards that a pod has; none while it doesn't run."""
        if phase_of(pod) != "Running":
            return 0.0
        gib = gpu_memory_of(pod)
        if not gib:
            return float(_limit(pod["spec"], GPU))
        card_gib = self.card_gib.get(pod["spec"].get("nodeName", ""), 0.0)
        return gib / card_gib if card_gib else 0.0

    def asked(self, resource: str) -> int:
        """What its Deployments ask for of a resource, by their replicas and limits, in whole units."""
        return sum(
            d["spec"].get("replicas", 1) * _limit(d["spec"]["template"]["spec"], resource)
            for d in self.deployments
        )


def _limit(pod_spec: Json, resource: str) -> int:
    limits = (c.get("resources", {}).get("limits", {}) for c in pod_spec["containers"])
    return sum(ceil(parse_quantity(one.get(resource, 0))) for one in limits)


def gpu_memory_of(pod: Json) -> int:
    """GiB of a shared card."""
    return _limit(pod["spec"], GPU_MEMORY)


def gpu_core_of(pod: Json) -> int:
    """Percent of the cores of a shared card."""
    return _limit(pod["spec"], GPU_CORE)


def phase_of(pod: Json) -> str:
    """What `kubectl get pods` calls its status, as far as Arena shows it."""
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    status = pod.get("status", {})
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "ContainerCreating"):
            return str(waiting["reason"])
    return str(status.get("phase", "Pending"))


def find_jobs(
    cluster: Cluster,
    namespace: str | None,
    *,
    name: str | None = None,
    version: str | None = None,
    type_: ServeType | None = None,
) -> list[Job]:
    """The jobs that match, by namespace, name and version. `namespace` None: all."""
    found: list[Job] = []
    for kind in ("deployments.apps", "inferenceservices.serving.kserve.io"):
        resource = _kind(cluster, kind)
        if resource is None:
            continue
        selector = "servingType" + (f",servingName={name}" if name else "")
        for obj in cluster.items(resource, namespace, selector=selector):
            job = _job(cluster, obj, resource)
            if job is None or (type_ is not None and job.type != type_):
                continue
            if version and job.type.kind == "Deployment" and job.version != version:
                continue
            found.append(job)
    found = _with_cards(cluster, _with_shares(cluster, found))
    return sorted(found, key=lambda job: (job.namespace, job.name, job.version))


def _with_shares(cluster: Cluster, jobs: list[Job]) -> list[Job]:
    """Versions with one Service show it all, each with its share of the requests."""
    if not any(job.shared is not None for job in jobs):
        return jobs
    splits: dict[tuple[str, str], dict[str, int]] = {}
    routes = _kind(cluster, "virtualservices.networking.istio.io")
    for place in {(job.namespace, job.name) for job in jobs if job.shared is not None}:
        with suppress(NotFound):
            if routes is not None:
                splits[place] = weights_of(cluster.read(routes, *place))
    shown = []
    for job in jobs:
        if job.shared is not None:
            weights = splits.get((job.namespace, job.name))
            share = None if weights is None else weights.get(job.version, 0)
            job = replace(job, services=(job.shared,), share=share)
        shown.append(job)
    return shown


def _with_cards(cluster: Cluster, jobs: list[Job]) -> list[Job]:
    """Where pods share cards: how large those are."""
    if not any(gpu_memory_of(pod) for job in jobs for pod in job.pods):
        return jobs
    card_gib = {}
    for node in cluster.items(found_kind(cluster, "nodes"), None):
        has = node.get("status", {}).get("capacity", {})
        if cards := parse_quantity(has.get(_GPU_COUNT, 0)):
            gib = parse_quantity(has.get(GPU_MEMORY, 0)) / cards
            card_gib[node["metadata"]["name"]] = float(gib)
    return [replace(job, card_gib=card_gib) for job in jobs]


def one_job(jobs: Sequence[Job], name: str) -> Job:
    """The only one. Raises `CliError` in Arena's words."""
    if not jobs:
        raise CliError(
            f"Not found serving job {name}, please check it with `arena serve list | grep {name}` "
        )
    if len(jobs) > 1:
        rows = [("NAME", "TYPE", "VERSION")]
        rows += [(job.name, job.type.shown, job.version) for job in jobs]
        listed = "\n".join(padded(rows))
        raise Told(
            f"There is {len(jobs)} jobs have been found:\n\n{listed}\n\n"
            "please use '--type' or '--version' to filter."
        )
    return jobs[0]


def padded(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: columns two spaces apart, left aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _kind(cluster: Cluster, word: str) -> Resource | None:
    try:
        return find_kind(cluster.resources(), word)
    except CliError:
        return None


def _job(cluster: Cluster, obj: Json, resource: Resource) -> Job | None:
    # Items of a list of a built-in kind don't say what they are, as in Kubernetes.
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    meta = obj["metadata"]
    labels = meta.get("labels", {})
    type_ = type_labelled(labels.get("servingType", ""))
    if type_ is None or (type_.kind == "Deployment") != (resource.kind == "Deployment"):
        return None  # an InferenceService's Deployment carries its labels: it is counted once
    namespace = meta["namespace"]
    if type_.kind == "InferenceService":
        mine = f"serving.kserve.io/inferenceservice={meta['name']},{_PREDICTOR}"
        deployments = cluster.items(
            found_kind(cluster, "deployments.apps"), namespace, selector=mine
        )
        pods = cluster.items(found_kind(cluster, "pods"), namespace, selector=mine)
        return Job(
            name=meta["name"],
            namespace=namespace,
            version=_kserve_version(obj, deployments),
            type=type_,
            object=obj,
            deployments=tuple(deployments),
            services=(),
            pods=tuple(pods),
        )
    name = labels.get("servingName", meta["name"])
    release = f"release={labels.get('release', '')},app={labels.get('app', '')}"
    return Job(
        name=name,
        namespace=namespace,
        version=labels.get("servingVersion", ""),
        type=type_,
        object=obj,
        deployments=(obj,),
        services=tuple(cluster.items(found_kind(cluster, "services"), namespace, selector=release)),
        pods=tuple(cluster.items(found_kind(cluster, "pods"), namespace, selector=release)),
        shared=_shared(cluster, namespace, name),
    )


def _shared(cluster: Cluster, namespace: str, name: str) -> Json | None:
    """The Service that leads to all versions of a job; None: there is none."""
    services = found_kind(cluster, "services")
    for service in cluster.items(services, namespace, selector=f"servingName={name}"):
        if service["spec"].get("selector", {}).get("serviceName") == name:
            return service
    return None


def found_kind(cluster: Cluster, word: str) -> Resource:
    """A kind that the server has. Raises `CliError`."""
    return find_kind(cluster.resources(), word)


def _kserve_version(obj: Json, deployments: Sequence[Json]) -> str:
    """The last five characters of the newest revision; in Standard mode the Deployment's."""
    components = obj.get("status", {}).get("components", {})
    latest = components.get("predictor", {}).get("latestCreatedRevision")
    if latest:
        return str(latest)[-5:]
    for deployment in deployments:
        annotations = deployment["metadata"].get("annotations", {})
        return str(annotations.get("deployment.kubernetes.io/revision", ""))
    return ""
