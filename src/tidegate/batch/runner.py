"""A batch run from its first row to its output's last name.

Nothing is ever in the output that isn't in the journal: see `spool`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tidegate.batch.disk import Disk, locked
from tidegate.batch.errors import BadPlan, OutputFailed
from tidegate.batch.places import STDIN, exists, is_object, source_of, upload
from tidegate.batch.plan import Plan, Summary
from tidegate.batch.publish import converted
from tidegate.batch.serving import RowsRun, Say, Stop
from tidegate.batch.spool import Paths, Spool
from tidegate.kit.clock import Clock


async def run_batch(
    plan: Plan,
    clock: Clock,
    *,
    stop: Stop,
    say: Say = lambda progress: None,
    disk: Disk | None = None,
) -> Summary:
    """Run it, or go on with it, to its end. Raises `BatchError`; what was done before stays.

    `stop` ends it early; `say` is told twice a second where it is.
    """
    disk = disk or Disk()
    source = await asyncio.to_thread(source_of, plan.input, plan.access)
    paths = Paths(plan.local_output)
    if _is_its_own_output(plan, paths):
        raise BadPlan(f"{plan.output} is the input: choose another name for the output")
    if is_object(plan.output):
        paths.output.parent.mkdir(parents=True, exist_ok=True)
    if not paths.output.parent.is_dir():
        raise OutputFailed(f"output {plan.output}: there is no folder {paths.output.parent}")
    with locked(paths.lock, plan.output):
        spool = await asyncio.to_thread(_spool, plan, paths, disk, source.identity)
        run = RowsRun(plan, clock, source, spool, stop, say)
        if spool.journal.state == "complete":
            return run.summary(already=True)
        if spool.journal.state == "running":
            await run.serve_all()
        await asyncio.to_thread(_publish, plan, paths, disk, spool)
        return run.summary()


def _is_its_own_output(plan: Plan, paths: Paths) -> bool:
    if is_object(plan.input) or is_object(plan.output):
        return plan.input == plan.output
    files = (paths.output, paths.part, paths.failed)
    return plan.input != STDIN and any(
        file.exists() and file.samefile(plan.input.removeprefix("file://")) for file in files
    )


def _spool(plan: Plan, paths: Paths, disk: Disk, identity: str) -> Spool:
    def output_exists() -> bool:
        return exists(plan.output, plan.access) if is_object(plan.output) else paths.output.exists()

    return Spool.opened(
        paths,
        disk,
        plan.about(identity),
        overwrite=plan.overwrite,
        output_exists=output_exists,
    )


def _publish(plan: Plan, paths: Paths, disk: Disk, spool: Spool) -> None:
    def finish(part: Path) -> Path:
        fresh = part.with_name(part.name + f".{plan.output_format}")
        return converted(part, plan.output_format, fresh)

    def deliver(file: Path) -> None:
        if is_object(plan.output):
            upload(file, plan.output, plan.access)
            if spool.journal.failed_bytes:
                upload(paths.failed, plan.failed_place, plan.access)
            if file != paths.part:
                disk.remove(file)
        else:
            disk.move(file, paths.output)

    spool.publish(finish, deliver)
