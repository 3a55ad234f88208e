"""Records which endpoint real proxies pick, once, into ``data/balancing/``."""
