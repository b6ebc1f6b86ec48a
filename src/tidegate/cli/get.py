"""`tidegate get`: tables as the server makes them, or the objects themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

from cyclopts import Parameter

from tidegate.cli.cluster import Cluster
from tidegate.cli.errors import Usage
from tidegate.cli.jsonpath import render
from tidegate.cli.options import AllNamespaces, DataDir, Namespace, Selector, home_of
from tidegate.cli.tables import bold, paint, widths_of
from tidegate.cli.targets import Wanted, wanted_objects
from tidegate.cli.yaml_text import to_yaml
from tidegate.model.errors import Expired

Json = dict[str, Any]
Output = Literal["table", "wide", "json", "yaml", "name"] | str  # or jsonpath=TEMPLATE
_PATH = "jsonpath="


def get(
    *what: str,
    namespace: Namespace = "default",
    all_namespaces: AllNamespaces = False,
    selector: Selector = None,
    output: Annotated[Output, Parameter(name=["--output", "-o"])] = "table",
    watch: Annotated[bool, Parameter(name=["--watch", "-w"])] = False,
    data_dir: DataDir = None,
) -> int:
    """List the objects of a kind, or show some.

    Kinds by plural, singular, short name or kind, with a group where it matters: ksvc, pods, deploy,
    services.serving.knative.dev; `all` is a group of kinds.

    Example: tidegate get ksvc iris -o yaml

    Parameters
    ----------
    what
        KIND [NAME...] or KIND/NAME...
    output
        wide is a table with more columns; also jsonpath={.status.url}, of one object or of their list.
    watch
        Go on printing what changes until Ctrl-C.
    """
    if output not in get_args(get_args(Output)[0]) and not output.startswith(_PATH):
        raise Usage(f"-o {output}: table, wide, json, yaml, name or {_PATH}{{.path}}")
    cluster = Cluster(home_of(data_dir))
    wanted = wanted_objects(cluster.resources(), what)
    inside = None if all_namespaces else namespace
    if all_namespaces and any(one.name for one in wanted):
        raise Usage("a name with --all-namespaces: names are only unique in a namespace, use -n")
    if watch:
        if len(wanted) > 1:
            raise Usage("--watch takes one kind, with one name at most")
        return _watch(cluster, wanted[0], inside, selector, output)
    if output in ("table", "wide"):
        _tables(cluster, wanted, inside, selector, wide=output == "wide")
    else:
        _objects(cluster, wanted, inside, selector, output)
    return 0


def _tables(
    cluster: Cluster,
    wanted: Sequence[Wanted],
    inside: str | None,
    selector: str | None,
    *,
    wide: bool,
) -> None:
    tables: dict[str, Json] = {}
    for one in wanted:
        table = cluster.table(one.resource, inside, one.name, selector=selector)
        if one.resource.qualified in tables:
            tables[one.resource.qualified]["rows"] += table["rows"]
        else:
            tables[one.resource.qualified] = table
    filled = {kind: table for kind, table in tables.items() if table.get("rows")}
    if not filled:
        print("nothing found" + (f" in namespace {inside}" if inside else ""))
    for number, (kind, table) in enumerate(filled.items()):
        if number:
            print()
        prefix = f"{kind}/" if len(tables) > 1 else ""
        _Printer(wide=wide, namespaces=inside is None, prefix=prefix).show(table)


class _Printer:
    """Prints tables of one kind; a watch keeps the first one's columns and widths."""

    def __init__(self, *, wide: bool, namespaces: bool, prefix: str = "") -> None:
        self._wide, self._namespaces, self._prefix = wide, namespaces, prefix
        self._columns: list[int] = []
        self._header: list[str] = []
        self._widths: list[int] = []

    def show(self, table: Json) -> None:
        first = not self._header
        if first:
            columns = table.get("columnDefinitions") or []
            self._columns = [
                i for i, column in enumerate(columns) if self._wide or not column.get("priority")
            ]
            self._header = [columns[i]["name"].upper() for i in self._columns]
            self._namespaces = self._namespaces and any(
                _meta(row).get("namespace") for row in table["rows"]
            )
            if self._namespaces:
                self._header.insert(0, "NAMESPACE")
        rows = [self._cells(row) for row in table["rows"]]
        if first:
            self._widths = widths_of(self._header, rows)
            print(bold(paint(self._header, self._widths)))
        for cells in rows:
            print(paint(cells, self._widths), flush=True)

    def _cells(self, row: Json) -> list[str]:
        cells = [_text(row["cells"][i]) for i in self._columns]
        cells[0] = self._prefix + cells[0]
        return [_meta(row).get("namespace", ""), *cells] if self._namespaces else cells


def _meta(row: Json) -> Json:
    found: Json = (row.get("object") or {}).get("metadata") or {}
    return found


def _text(cell: object) -> str:
    if cell is None:
        return "<none>"
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _objects(
    cluster: Cluster,
    wanted: Sequence[Wanted],
    inside: str | None,
    selector: str | None,
    output: str,
) -> None:
    found: list[Json] = []
    for one in wanted:
        if one.name:
            found.append(cluster.read(one.resource, inside, one.name))
            continue
        named = {"apiVersion": one.resource.api_version, "kind": one.resource.kind}
        listed = cluster.items(one.resource, inside, selector=selector)
        found += [{**named, **item} for item in listed]
    for item in found:
        item["metadata"].pop("managedFields", None)  # as kubectl does: nobody reads them
    single = len(wanted) == 1 and wanted[0].name
    if output == "name":
        kinds = {one.resource.kind: one.resource.qualified for one in wanted}
        for item in found:
            print(f"{kinds.get(item['kind'], item['kind'].lower())}/{item['metadata']['name']}")
        return
    whole: Json = found[0] if single else {"apiVersion": "v1", "kind": "List", "items": found}
    if output.startswith(_PATH):
        print(
            render(output.removeprefix(_PATH), whole), end=""
        )  # as kubectl: no line's end of ours
    elif output == "yaml":
        print(to_yaml(whole), end="")
    else:
        print(json.dumps(whole, indent=4))


def _watch(
    cluster: Cluster, wanted: Wanted, inside: str | None, selector: str | None, output: str
) -> int:
    if output not in ("table", "wide"):
        raise Usage("--watch prints tables: leave out -o, or use -o wide")
    printer = _Printer(wide=output == "wide", namespaces=inside is None)
    fields = f"metadata.name={wanted.name}" if wanted.name else None
    while True:  # a watch ends when the server says so; the list that follows misses nothing
        table = cluster.table(wanted.resource, inside, "", selector=selector, fields=fields)
        printer.show(table)
        version = table["metadata"]["resourceVersion"]
        try:
            for change in cluster.watch_table(
                wanted.resource, inside, version=version, selector=selector, fields=fields
            ):
                printer.show(change)
        except Expired:
            continue
