"""The Kafka adapter: topics in, CloudEvents by HTTP out. `python -m tidegate.sources.kafka`."""
