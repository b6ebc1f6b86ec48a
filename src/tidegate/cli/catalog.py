"""The table of commands: name, where it lives, what it is for.

`tidegate --help` prints this table and imports nothing else, so that it answers at once; a command's
module is loaded when that command is used. To add a command: write `<name>.py` with one function
of its name and add a line here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `target` is `module:function` inside `tidegate.cli`, or `module:app` for one that has
    commands of its own; a raw one reads its command line itself."""

    name: str
    target: str
    summary: str
    raw: bool = False


GROUPS: tuple[tuple[str, tuple[Command, ...]], ...] = (
    (
        "Engine",
        (
            Command("up", "up:up", "Start the engine (again: repair what is missing)."),
            Command("down", "down:down", "Stop the engine and everything it runs."),
            Command("status", "status:status", "Show the engine's processes and addresses."),
            Command("kubeconfig", "kubeconfig:kubeconfig", "Print the path of the kubeconfig."),
            Command("token", "token:token", "Create, list or delete named tokens for the API."),
        ),
    ),
    (
        "Documents and objects",
        (
            Command("apply", "apply:apply", "Create or change objects from YAML documents."),
            Command("check", "check:check", "Tell what applying documents would say."),
            Command("get", "get:get", "List objects of a kind, or show some."),
            Command("describe", "describe:describe", "Show one object, its conditions and events."),
            Command("delete", "delete:delete", "Delete objects by name or by their documents."),
            Command("logs", "logs:logs", "Print what a pod, revision or service wrote."),
            Command("wait", "wait:wait", "Wait until an object is ready, deleted or has a value."),
        ),
    ),
    (
        "Models",
        (
            Command("run", "run:run", "Serve a model file or a command."),
            Command(
                "cache", "cache.main:cache", "List, fetch and remove models on this machine's disk."
            ),
            Command("url", "url:url", "Print where a service answers."),
            Command(
                "revisions", "revisions:revisions", "List a service's revisions and their shares."
            ),
            Command(
                "rollback", "rollback:rollback", "Send traffic to an earlier revision, or back."
            ),
            Command("load", "load:load", "Put load on a URL or a service."),
            Command("batch", "batch.main:batch", "Run rows of a data set through a service."),
            Command(
                "arena", "arena_command:arena", "Submit and manage jobs as Arena does.", raw=True
            ),
            Command("explain", "explain:explain", "Tell why a service was scaled as it was."),
            Command("compare", "compare:compare", "Compare how revisions of a service did."),
        ),
    ),
    (
        "Shell",
        (
            Command(
                "completion", "completion:completion", "Print the completion script of a shell."
            ),
        ),
    ),
)

COMMANDS: dict[str, Command] = {c.name: c for _, group in GROUPS for c in group}


def overview(version: str) -> str:
    """The text of `tidegate --help`."""
    width = max(len(name) for name in COMMANDS)
    lines = [
        f"tidegate {version}: serve models on this machine from Kubernetes and Knative documents.",
        "",
        "Usage: tidegate COMMAND [OPTIONS]",
    ]
    for title, group in GROUPS:
        lines += ["", f"{title}:"]
        lines += [f"  {command.name:<{width}}  {command.summary}" for command in group]
    lines += [
        "",
        "`tidegate COMMAND --help` has the options and an example. TIDEGATE_HOME, or --data-dir,",
        "names the engine's folder; TIDEGATE_DEBUG=1 shows the traceback of an error.",
    ]
    return "\n".join(lines)
