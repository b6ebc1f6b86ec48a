"""HorizontalPodAutoscalers, live.

| file | what it does |
| --- | --- |
| `controller.py` | one visit every sync period: reads, lets `scaling.hpa` decide, writes |
| `targets.py`, `choosers.py` | the object that an autoscaler scales; who chooses a pod |
| `sources.py` | a reading for each metric of a spec, from whoever has it |
| `resources.py` | CPU and memory of the pods' processes |
| `pages.py`, `prometheus.py` | the pods' own Prometheus pages; a Prometheus server's answers |
| `traffic.py`, `gateway_metrics.py` | what the gateway counts, kept for a minute; names for it |
| `gpu.py` | how busy a pod keeps its GPU |
"""
