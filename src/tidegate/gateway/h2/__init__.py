"""HTTP/2 without TLS (h2c, prior knowledge), at both of the gateway's ends."""
