"""Serving jobs as the API knows them: Deployments and InferenceServices with Arena's labels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from tidegate.cli.arena.render_istio import weights_of
from tidegate.cli.arena.render_pods import GPU, GPU_CORE, GPU_MEMORY, Json
from tidegate.cli.arena.types import ServeType, type_labelled
from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import Resource, find_kind
from tidegate.cli.errors import CliError, Told
from tidegate.model.errors import NotFound

_PREDICTOR = "component=predictor"


@dataclass(frozen=True, slots=True)
class Job:
    """One version of one job. `deployments` are what runs it, `services` what leads to it.

    `shared`: the Service of all versions (`--enable-istio`); None: each has its own. `share`: percent of
    its requests; None: nobody has split them, or there is one version.
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
    def ports(self) -> str:
        if self.type.kind == "InferenceService":
            return ":80"
        if self.share == 0:
            return "N/A"
        words = {"grpc-serving": "GRPC", "http-serving": "RESTFUL", "http-metrics": "METRICS"}
        shown = [
            f"{words[port['name']]}:{port['port']}"
            for service in self.services
            for port in service["spec"].get("ports", ())
            if port.get("name") in words
        ]
        return ",".join(shown) or "N/A"

    @property
    def gpus(self) -> float:
        """Whole cards of the pods that run; shared memory counts as a part of its card."""
        return sum(gpus_of(pod) for pod in self.pods if phase_of(pod) == "Running")


def gpus_of(pod: Json) -> float:
    """Cards that a pod has."""
    total = 0.0
    for container in pod["spec"]["containers"]:
        limits = container.get("resources", {}).get("limits", {})
        total += float(limits.get(GPU, 0))
    return total


def gpu_memory_of(pod: Json, resource: str = GPU_MEMORY) -> int:
    """GiB of a shared card (or percent of its cores, with that resource)."""
    return sum(
        int(c.get("resources", {}).get("limits", {}).get(resource, 0))
        for c in pod["spec"]["containers"]
    )


def gpu_core_of(pod: Json) -> int:
    return gpu_memory_of(pod, GPU_CORE)


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
    found = _with_shares(cluster, found)
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
