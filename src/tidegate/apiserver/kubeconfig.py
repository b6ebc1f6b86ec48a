"""The kubeconfig that makes kubectl and every client library talk to this engine."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tidegate.apiserver.pki import Pki, write_private

CONTEXT = "tidegate"


def kubeconfig(pki: Pki, *, port: int) -> str:
    """For the engine's own user."""
    ca = pki.ca.read_text()
    return kubeconfig_text(f"https://127.0.0.1:{port}", ca, token=pki.token, user=CONTEXT)


def kubeconfig_text(server: str, ca: str, *, token: str, user: str) -> str:
    """YAML (written as JSON values, which YAML takes), CA (PEM) and token inside."""
    return "\n".join(
        [
            "apiVersion: v1",
            "kind: Config",
            f"current-context: {CONTEXT}",
            "clusters:",
            f"- name: {CONTEXT}",
            "  cluster:",
            f"    server: {server}",
            f"    certificate-authority-data: {base64.b64encode(ca.encode()).decode()}",
            "contexts:",
            f"- name: {CONTEXT}",
            f"  context: {{cluster: {CONTEXT}, namespace: default, user: {user}}}",
            "users:",
            f"- name: {user}",
            "  user:",
            f"    token: {json.dumps(token)}",
            "",
        ]
    )


def write_kubeconfig(path: Path, pki: Pki, *, port: int) -> None:
    """Write it in one step, readable by this user only; an unchanged file is left alone."""
    text = kubeconfig(pki, port=port).encode()
    if not path.exists() or path.read_bytes() != text:
        write_private(path, text)
