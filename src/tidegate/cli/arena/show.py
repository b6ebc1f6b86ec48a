"""`arena serve list` and `get`: Arena's tables, to the space."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tidegate.cli.arena.jobs import (
    Job,
    gpu_core_of,
    gpu_memory_of,
    padded,
    phase_of,
)
from tidegate.cli.arena.render_pods import GPU, GPU_CORE, GPU_MEMORY, Json
from tidegate.model.conditions import seconds_of

_AGES = ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def list_table(jobs: Sequence[Job], *, all_namespaces: bool) -> str:
    """The table; the header alone when there is none."""
    with_gpus = sum(job.gpus for job in jobs) > 0
    head = ["NAME", "TYPE", "VERSION", "DESIRED", "AVAILABLE", "ADDRESS", "PORTS"]
    rows = [(["NAMESPACE"] if all_namespaces else []) + head + (["GPU"] if with_gpus else [])]
    for job in jobs:
        row = [job.namespace] if all_namespaces else []
        row += [job.name, job.type.shown, job.version, str(job.desired), str(job.available)]
        row += [job.address, job.ports]
        rows.append(row + ([str(number(job.gpus))] if with_gpus else []))
    return "\n".join(padded(rows)) + "\n"


def number(value: float) -> float:
    """As Go prints it, in tables and JSON: `1`, `0.25`."""
    return int(value) if value == int(value) else value


def job_text(job: Job, now_s: float) -> str:
    """`arena serve get`."""
    facts = [
        ("Name:", job.name),
        ("Namespace:", job.namespace),
        ("Type:", job.type.shown),
        ("Version:", job.version),
        ("Desired:", str(job.desired)),
        ("Available:", str(job.available)),
        ("Age:", short_age(job.object, now_s)),
        ("Address:", job.address),
        ("Port:", job.ports),
    ]
    lines = padded(facts)
    if job.gpus:
        lines.append(f"GPU:        {number(job.gpus)}")
    lines += _revisions(job)
    lines += ["", "Instances:"]
    lines += [f"  {line}" for line in padded(_instances(job, now_s))]
    return "\n".join(lines) + "\n\n"


def _revisions(job: Job) -> list[str]:
    """In Knative mode: the newest revision and the one before, with their shares."""
    predictor = job.object.get("status", {}).get("components", {}).get("predictor", {})
    facts: list[tuple[str, str]] = []
    for target in predictor.get("traffic", ()):
        which = "Prev" if target.get("tag") == "prev" else "Latest"
        facts.append((f"{which}Revision:", str(target.get("revisionName", ""))))
        facts.append((f"{which}Precent:", str(target.get("percent", 0))))  # sic
    return ["", *padded(facts)] if facts else []


def _instances(job: Job, now_s: float) -> list[list[str]]:
    with_gpus = job.gpus > 0
    head = ["NAME", "STATUS", "AGE", "READY", "RESTARTS"] + (["GPU"] if with_gpus else [])
    rows = [[*head, "NODE"], ["-" * len(word) for word in [*head, "NODE"]]]
    for pod in job.pods:
        statuses = pod.get("status", {}).get("containerStatuses", ())
        ready = sum(bool(one.get("ready")) for one in statuses)
        row = [
            pod["metadata"]["name"],
            phase_of(pod),
            short_age(pod, now_s),
            f"{ready}/{len(pod['spec']['containers'])}",
            str(sum(one.get("restartCount", 0) for one in statuses)),
        ]
        row += [str(number(job.gpus_of(pod)))] if with_gpus else []
        rows.append([*row, pod["spec"].get("nodeName") or "N/A"])
    return rows


def short_age(obj: Json, now_s: float) -> str:
    """`19s`, `3m`, `2h`, `5d`, `1y`."""
    age_s = max(0, int(now_s - seconds_of(obj["metadata"]["creationTimestamp"])))
    for seconds, letter in _AGES:
        if age_s >= seconds:
            return f"{age_s // seconds}{letter}"
    return "0s"


def job_values(job: Job, now_s: float) -> dict[str, Any]:
    """A job as Arena's JSON has it."""
    meta = job.object["metadata"]
    instances = [_instance_values(job, pod, now_s) for pod in job.pods]
    return {
        "uuid": meta.get("uid", ""),
        "name": job.name,
        "namespace": job.namespace,
        "type": job.type.shown,
        "version": job.version,
        "age": short_age(job.object, now_s),
        "desiredInstances": job.desired,
        "availableInstances": job.available,
        "endpoints": [
            {"name": word, "port": number, "nodePort": 0} for word, number in job.endpoints
        ],
        "ip": job.address,
        "instances": instances,
        "requestCPUs": job.asked("cpu"),
        "requestGPUs": job.asked(GPU),
        "requestGPUMemory": job.asked(GPU_MEMORY),
        "requestGPUCore": job.asked(GPU_CORE),
        "creationTimestamp": int(seconds_of(meta["creationTimestamp"])),
    }


def _instance_values(job: Job, pod: Json, now_s: float) -> dict[str, Any]:
    statuses = pod.get("status", {}).get("containerStatuses", ())
    return {
        "name": pod["metadata"]["name"],
        "status": phase_of(pod),
        "age": short_age(pod, now_s),
        "readyContainers": sum(bool(one.get("ready")) for one in statuses),
        "totalContainers": len(pod["spec"]["containers"]),
        "restartCount": sum(one.get("restartCount", 0) for one in statuses),
        "nodeIP": pod.get("status", {}).get("hostIP", ""),
        "nodeName": pod["spec"].get("nodeName", ""),
        "ip": pod.get("status", {}).get("podIP", ""),
        "requestGPUs": number(job.gpus_of(pod)),
        "requestGPUMemory": gpu_memory_of(pod),
        "requestGPUCore": gpu_core_of(pod),
        "creationTimestamp": int(seconds_of(pod["metadata"]["creationTimestamp"])),
    }


def as_output(values: Any, output: str) -> str:
    """JSON with four spaces and no final newline, or YAML."""
    if output == "json":
        return json.dumps(values, indent=4, ensure_ascii=False)
    import io

    from ruamel.yaml import YAML

    yaml, text = YAML(), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(values, text)
    return text.getvalue()
