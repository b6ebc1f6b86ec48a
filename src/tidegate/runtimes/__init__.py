"""Model servers: one shell, one file per backend. Each runs as a process of its own."""
