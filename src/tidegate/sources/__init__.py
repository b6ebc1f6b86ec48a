"""Event sources: adapters that run as pods (Kafka to HTTP)."""
