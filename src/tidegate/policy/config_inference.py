"""`inferenceservice-config` in namespace kserve: which mode is the default, and what hosts look like.

Each key holds JSON. A key that can't be read counts as absent: admission refuses to write one.
Source: kserve config/configmap/inferenceservice.yaml, pkg/apis/serving/v1beta1/configmap.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.model import kserve_names as names
from tidegate.policy.errors import BadConfig

NAME = f"{names.SYSTEM_NAMESPACE}/{names.CONFIG}"


@dataclass(frozen=True, slots=True)
class InferenceConfig:
    """`ingress_class` None: the Ingress names none, so the gateway here takes it.

    The default mode is Standard, as in KServe's code and on ACK.
    """

    default_mode: str = names.STANDARD
    ingress_domain: str = "example.com"
    domain_template: str = "{{ .Name }}-{{ .Namespace }}.{{ .IngressDomain }}"
    ingress_class: str | None = None
    url_scheme: str = "http"
    make_ingress: bool = True

    def host(self, name: str, namespace: str) -> str:
        """The outside host of something called `name`: the InferenceService or a component."""
        text = self.domain_template
        for variable, value in (
            ("Name", name),
            ("Namespace", namespace),
            ("IngressDomain", self.ingress_domain),
        ):
            for written in ("{{ .%s }}", "{{.%s}}"):
                text = text.replace(written % variable, value)
        return text


def parse_inference_config(data: Mapping[str, str]) -> InferenceConfig:
    """Raises `BadConfig`."""
    deploy, ingress = _section(data, "deploy"), _section(data, "ingress")
    default = InferenceConfig()
    mode = deploy.get("defaultDeploymentMode") or default.default_mode
    if mode not in names.MODES:
        raise BadConfig(
            NAME,
            f'deploy.defaultDeploymentMode: "{mode}" is no deployment mode here: '
            "Standard (RawDeployment) and Knative (Serverless) are",
        )
    template = ingress.get("domainTemplate") or default.domain_template
    made = InferenceConfig(
        default_mode=names.MODES[mode],
        ingress_domain=ingress.get("ingressDomain") or default.ingress_domain,
        domain_template=template,
        ingress_class=ingress.get("ingressClassName"),
        url_scheme=ingress.get("urlScheme") or default.url_scheme,
        make_ingress=not ingress.get("disableIngressCreation", False),
    )
    host = made.host("name", "namespace")
    if "{{" in host or "name" not in host:
        raise BadConfig(
            NAME,
            f'ingress.domainTemplate: "{template}": write it with .Name, .Namespace and .IngressDomain',
        )
    return made


def _section(data: Mapping[str, str], key: str) -> Mapping[str, Any]:
    text = data.get(key, "").strip()
    if not text:
        return {}
    try:
        read = json.loads(text)
    except ValueError as why:
        raise BadConfig(NAME, f'failed to parse "{key}": {why}') from why
    if not isinstance(read, dict):
        raise BadConfig(NAME, f'failed to parse "{key}": a JSON object was expected')
    return read
