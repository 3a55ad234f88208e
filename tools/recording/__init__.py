"""Records what real proxies do, once, into ``data/balancing/`` and ``data/resilience/``."""
