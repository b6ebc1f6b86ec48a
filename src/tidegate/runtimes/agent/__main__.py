"""`python -m tidegate.runtimes.agent`: the command line of KServe's agent image."""

from __future__ import annotations

import os
import sys
from uuid import uuid4

from tidegate.kit.realtime import RealClock
from tidegate.runtimes.agent.app import Agent
from tidegate.runtimes.agent.flags import read_agent_flags
from tidegate.runtimes.drain import Drain
from tidegate.runtimes.errors import StartError
from tidegate.runtimes.start import bind


def main() -> int:
    """Serve until told to stop; the process's exit code."""
    try:
        plan = read_agent_flags(sys.argv[1:], os.environ)
        listener = bind(plan.host, plan.port)
    except StartError as why:
        sys.stderr.write(f"agent: {why}\n")
        return why.exit_code

    from tidegate.runtimes.listen import serve

    clock, drain = RealClock(), Drain()
    agent = Agent(plan, drain=drain, clock=clock, new_id=lambda: str(uuid4()), said=_say)
    serve(
        agent,
        listener,
        drain=drain,
        clock=clock,
        on_listening=lambda: _say(f"in front of port {plan.component_port}"),
        beside=agent.events.run if agent.events is not None else None,
    )
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"agent: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
