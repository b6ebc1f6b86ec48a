"""The node agent: pods as local processes. What other rooms may use."""

from tidegate.node.agent import NodeAgent
from tidegate.node.keeper_link import Keeper, KeeperLink
from tidegate.node.logs import PodLogs
from tidegate.node.machine import LocalMachine, Machine
from tidegate.node.settings import NodeSettings

__all__ = [
    "Keeper",
    "KeeperLink",
    "LocalMachine",
    "Machine",
    "NodeAgent",
    "NodeSettings",
    "PodLogs",
]
