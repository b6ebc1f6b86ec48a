"""What clients and model servers say to each other: V1, V2 and OpenAI, as values. No I/O."""
