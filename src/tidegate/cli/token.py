"""`tidegate token`: who else may use the API, and for what.

Works on the engine's folder, so it needs no engine; one that runs sees the change with the next request.
"""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from tidegate.apiserver.access import Role
from tidegate.apiserver.kubeconfig import kubeconfig_text
from tidegate.apiserver.tokens import Tokens
from tidegate.cli.errors import Usage
from tidegate.cli.options import DataDir, home_of
from tidegate.cli.tables import show_table
from tidegate.client.http import read_kubeconfig
from tidegate.kit.home import Home
from tidegate.kit.realtime import RealClock


def token(
    action: Literal["create", "list", "delete"],
    name: str | None = None,
    *,
    role: Literal["admin", "edit", "view"] | None = None,
    output: Annotated[Literal["token", "kubeconfig"], Parameter(name=["--output", "-o"])] = "token",
    data_dir: DataDir = None,
) -> int:
    """Create, list or delete named tokens for the API.

    view reads everything but Secrets; edit also writes what lives in namespaces, except the system's;
    admin does everything. A token is shown when it is created and never again.

    Example: tidegate token create dashboard --role view -o kubeconfig > view.kubeconfig

    Parameters
    ----------
    action
        create, list or delete.
    name
        Of the token; its owner is known by it. Made up when it is left out of create.
    role
        What the token allows (create only).
    output
        What create prints: the token, or a kubeconfig with it.
    """
    home = home_of(data_dir)
    tokens = Tokens(home.pki)
    if role is not None and action != "create":
        raise Usage("--role is for create")
    match action:
        case "create":
            if role is None:
                raise Usage("--role is missing: admin, edit or view")
            return _create(home, tokens, Role(role), name, output)
        case "list":
            show_table(
                ["NAME", "ROLE", "CREATED"],
                [[one.name, one.role.value, one.created] for one in tokens.all()],
            )
        case "delete":
            if name is None:
                raise Usage("which one? tidegate token delete NAME")
            tokens.delete(name)
            print(f"token {name} deleted")
    return 0


def _create(home: Home, tokens: Tokens, role: Role, name: str | None, output: str) -> int:
    access = read_kubeconfig(home.kubeconfig) if output == "kubeconfig" else None
    name, secret = tokens.create(role, now_s=RealClock().now(), name=name)
    print(f"token {name} created: role {role.value}", file=sys.stderr)
    if access is None:
        print(secret)
    else:
        print(kubeconfig_text(access.server, access.ca or "", token=secret, user=name), end="")
    return 0
