"""Knative's Kafka kinds: each source and each sink becomes a Deployment of adapter pods.

| file | what it does |
| --- | --- |
| `destinations.py` | where events go: a reference or URI as an address that a pod here can dial |
| `secrets.py` | what a broker's credentials are made of |
| `pods.py` | what both kinds' adapter pods have in common |
| `source_plan.py`, `sink_plan.py` | the objects that each gets (pure) |
| `status.py` | conditions, from what pods and their adapters say (pure) |
| `reports.py` | asks an adapter how it is |
| `source.py`, `sink.py` | the loops |

On a cluster one Deployment serves all sources; here each has its own, as before Knative 1.0, so that one
that fails stops no other.
"""

from tidegate.controllers.kafka.reports import PodReports, Report, Reports
from tidegate.controllers.kafka.sink import KafkaSinkController
from tidegate.controllers.kafka.source import KafkaSourceController

__all__ = ["KafkaSinkController", "KafkaSourceController", "PodReports", "Report", "Reports"]
