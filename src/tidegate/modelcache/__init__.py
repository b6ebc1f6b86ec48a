"""Model weights on disk: fetched once, verified, published whole, pinned, evicted."""
