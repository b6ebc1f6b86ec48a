"""The Kafka sink: CloudEvents by HTTP in, a topic out. `python -m tidegate.sources.kafka_sink`."""
