"""`tidegate token`: who else may use the API, and for what.

Works on the engine's folder, so it needs no engine; one that runs sees the change with the next request.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from tidegate.apiserver.access import Role
from tidegate.apiserver.kubeconfig import kubeconfig_text
from tidegate.apiserver.tokens import Tokens
from tidegate.cli.options import ARGUMENTS, AsTable, DataDir, commands, home_of
from tidegate.cli.tables import show_table
from tidegate.client.http import read_kubeconfig
from tidegate.kit.realtime import RealClock

token = commands(
    "token",
    """Create, list or delete named tokens for the API.

    Example: tidegate token create dashboard --role view -o kubeconfig > view.kubeconfig
    """,
    {
        "create": "token:create",
        "list, ls": "token:list_",
        "delete, rm": "token:delete",
    },
)


def create(
    name: Annotated[str | None, Parameter(group=ARGUMENTS)] = None,
    *,
    role: Literal["admin", "edit", "view"],
    output: Annotated[Literal["token", "kubeconfig"], Parameter(name=["--output", "-o"])] = "token",
    data_dir: DataDir = None,
) -> None:
    """Create a token. It is shown now and never again.

    view reads everything but Secrets; edit also writes what lives in namespaces, except the system's;
    admin does everything.

    Example: tidegate token create dashboard --role view -o kubeconfig > view.kubeconfig

    Parameters
    ----------
    name
        Its owner is known by it. Made up when it is left out.
    role
        What the token allows.
    output
        The token, or a kubeconfig with it.
    """
    home = home_of(data_dir)
    access = read_kubeconfig(home.kubeconfig) if output == "kubeconfig" else None
    name, secret = Tokens(home.pki).create(Role(role), now_s=RealClock().now(), name=name)
    print(f"token {name} created: role {role}", file=sys.stderr)
    if access is None:
        print(secret)
    else:
        print(kubeconfig_text(access.server, access.ca or "", token=secret, user=name), end="")


def list_(*, output: AsTable = "table", data_dir: DataDir = None) -> None:
    """List the tokens: names and roles, not what to say.

    Example: tidegate token list
    """
    found = Tokens(home_of(data_dir).pki).all()
    if output == "json":
        rows = [{"name": t.name, "role": t.role.value, "created": t.created} for t in found]
        print(json.dumps(rows, indent=2))
        return
    show_table(["NAME", "ROLE", "CREATED"], [[t.name, t.role.value, t.created] for t in found])


def delete(name: Annotated[str, Parameter(group=ARGUMENTS)], *, data_dir: DataDir = None) -> None:
    """Delete a token. It is refused from the next request on.

    Example: tidegate token delete dashboard

    Parameters
    ----------
    name
        As `tidegate token list` shows it.
    """
    Tokens(home_of(data_dir).pki).delete(name)
    print(f"token {name} deleted")
