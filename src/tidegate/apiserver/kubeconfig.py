"""The kubeconfig that makes kubectl and every client library talk to this engine."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tidegate.apiserver.pki import Pki, write_private

CONTEXT = "tidegate"


def kubeconfig(pki: Pki, *, port: int) -> str:
    """YAML (written as JSON values, which YAML takes), CA and token inside."""
    ca = base64.b64encode(pki.ca.read_bytes()).decode()
    return "\n".join(
        [
            "apiVersion: v1",
            "kind: Config",
            f"current-context: {CONTEXT}",
            "clusters:",
            f"- name: {CONTEXT}",
            "  cluster:",
            f"    server: https://127.0.0.1:{port}",
            f"    certificate-authority-data: {ca}",
            "contexts:",
            f"- name: {CONTEXT}",
            f"  context: {{cluster: {CONTEXT}, namespace: default, user: {CONTEXT}}}",
            "users:",
            f"- name: {CONTEXT}",
            "  user:",
            f"    token: {json.dumps(pki.token)}",
            "",
        ]
    )


def write_kubeconfig(path: Path, pki: Pki, *, port: int) -> None:
    """Write it in one step, readable by this user only; an unchanged file is left alone."""
    text = kubeconfig(pki, port=port).encode()
    if not path.exists() or path.read_bytes() != text:
        write_private(path, text)
