"""What holds for every document: admitting twice is admitting once, and nothing is lost on the wire.

The documents that the project was made from are tried too, where they are at hand
(TIDEGATE_SHARED, or `shared` beside the project).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidegate.apiserver.admission import Admission
from tidegate.model.errors import ApiError
from tidegate.model.kinds import BY_GVK, decode_stored, encode, encode_stored
from tidegate.model.meta import Object
from tidegate.model.wire import WrongType, read

SHARED = Path(os.environ.get("TIDEGATE_SHARED") or Path(__file__).parents[3] / "shared")
NUMBERS = st.none() | st.integers(0, 40)
VOLUMES: dict[str, dict[str, Any]] = {
    "x": {"configMap": {"name": "c"}},
    "y": {"persistentVolumeClaim": {"claimName": "c"}},
    "z": {"emptyDir": {}},
}


def _drop_unset(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value not in (None, [], {}, "")}


PROBES = st.none() | st.builds(
    lambda handler, period_s, timeout_s: _drop_unset(
        {**handler, "periodSeconds": period_s, "timeoutSeconds": period_s and timeout_s}
    ),
    st.sampled_from([{"httpGet": {"path": "/", "port": 8080}}, {"grpc": {"port": 8080}}]),
    NUMBERS,
    NUMBERS,
)
CONTAINERS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["", "a", "b", "user-container", "user-container-0"]),
        "image": st.sampled_from(["app", "app:1", "app:latest"]),
        "readinessProbe": PROBES,
        "livenessProbe": PROBES,
        "resources": st.sampled_from(
            [None, {"limits": {"cpu": 1, "memory": "1Gi"}}, {"limits": {"nvidia.com/gpu": "1"}}]
        ),
        "volumeMounts": st.lists(st.sampled_from(sorted(VOLUMES)), max_size=2, unique=True).map(
            lambda names: [{"name": name, "mountPath": f"/{name}"} for name in names]
        ),
    }
)


def _pod(
    containers: list[dict[str, Any]], init: list[dict[str, Any]], *, named: bool
) -> dict[str, Any]:
    """Containers that go together: the first takes the requests, the others have no probes.
    `named`: all of them have names, which Kubernetes demands and Knative makes up."""
    mounted, taken = set(), set()
    out: list[dict[str, Any]] = []
    for i, container in enumerate((*containers, *init)):
        name = container["name"]
        if name in taken or (named and not name):
            name = f"c{i}" if named else ""
        taken.add(name)
        mounted |= {mount["name"] for mount in container["volumeMounts"]}
        ports = [{"containerPort": 8080}] if i == 0 and len(containers) > 1 else []
        without = {"readinessProbe": None, "livenessProbe": None} if i else {}
        out.append(_drop_unset({**container, **without, "name": name, "ports": ports}))
    return _drop_unset(
        {
            "containers": out[: len(containers)],
            "initContainers": out[len(containers) :],
            "volumes": [{"name": name, **VOLUMES[name]} for name in sorted(mounted)],
        }
    )


def _pods(*, named: bool) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda containers, init: _pod(containers, init, named=named),
        st.lists(CONTAINERS, min_size=1, max_size=3),
        st.lists(CONTAINERS, max_size=2),
    )


PODS = _pods(named=True)
REVISIONS = st.builds(
    lambda pod, timeout_s, concurrency: (
        pod | {"timeoutSeconds": timeout_s, "containerConcurrency": concurrency}
    ),
    _pods(named=False),
    NUMBERS,
    NUMBERS,
).map(_drop_unset)


def _template(spec: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"template": {"metadata": {"labels": {"app": "it"}}, "spec": spec}, **fields}


DOCUMENTS = st.one_of(
    PODS.map(lambda spec: ("v1", "Pod", spec)),
    st.builds(
        lambda spec, replicas: (
            "apps/v1",
            "Deployment",
            _template(spec, selector={"matchLabels": {"app": "it"}}, replicas=replicas),
        ),
        PODS,
        NUMBERS,
    ),
    REVISIONS.map(lambda spec: ("serving.knative.dev/v1", "Service", _template(spec))),
    REVISIONS.map(lambda spec: ("serving.knative.dev/v1", "Configuration", _template(spec))),
    REVISIONS.map(lambda spec: ("serving.knative.dev/v1", "Revision", spec)),
)


def admission() -> Admission:
    return Admission(lambda name: {})


def parsed(api_version: str, kind: str, body: dict[str, Any]) -> Object:
    found = BY_GVK[api_version, kind]
    return found.lifted(read(body, found.wire_type)[0])


def assert_settled(obj: Object) -> None:
    """Admitting what was admitted changes nothing, and neither do the wire and the store."""
    again = admission().admit(obj, obj, user="somebody else")
    assert again.object == obj
    assert decode_stored(encode_stored(obj), type(obj)) == obj
    body = msgspec.json.decode(encode(obj))
    value, reading = read(
        {key: part for key, part in body.items() if key not in ("apiVersion", "kind")}, type(obj)
    )
    assert (value, reading.unknown) == (obj, ())


@given(DOCUMENTS)
def test_admitting_twice_is_admitting_once(document):
    api_version, kind, spec = document
    meta = {"name": "it", "namespace": "default"}
    obj = parsed(api_version, kind, {"metadata": meta, "spec": spec})
    assert_settled(admission().admit(obj, None, user="ann").object)


# --- the documents that the project was made from

#: Documents that a cluster refuses, and why.
WRONG = {
    "03-imagecache.yaml": "must be an image's name, such as nginx:1.27",  # a placeholder
    "02-ksvc-sd-backend-mount-dataset-pvc.yaml": (
        "spec.template.spec.containers[0].ports[0].containerPort: expected int, got str"
    ),
    **{
        f"{name}.yaml": "missing field(s): spec.template.spec.containers"
        for name in (
            "04-ksvc-timeout-seconds",
            "05-ksvc-stable-window",
            "06-ksvc-panic-window-percentage",
            "07-ksvc-panic-threshold-percentage",
            "11-ksvc-min-scale-zero",
            "12-ksvc-max-scale",
            "13-ksvc-initial-scale",
        )
    },
}


def seed_files() -> list[Path]:
    return sorted(SHARED.glob("seeds-manifests/*/*.yaml"))


@pytest.mark.skipif(not seed_files(), reason="the seeds' documents are not at hand")
@pytest.mark.parametrize("file", seed_files(), ids=lambda path: path.name)
def test_the_seeds_documents_are_admitted_or_refused_for_the_known_reason(file):
    try:
        documents = [d for d in YAML(typ="safe").load_all(file) if isinstance(d, dict)]
    except YAMLError:
        assert file.name == "10-ksvc-scale-down-delay.yaml"
        return
    for document in documents:
        kind = document.pop("apiVersion", ""), document.pop("kind", "")
        if kind not in BY_GVK:
            continue
        refused = None
        try:
            obj = parsed(*kind, document)
            assert_settled(admission().admit(obj, None, user="ann").object)
        except (ApiError, WrongType) as why:
            refused = str(why)
        expected = WRONG.get(file.name)
        assert refused == expected or (expected and (refused or "").endswith(expected))
