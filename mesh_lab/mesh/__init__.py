"""The service mesh: proxies between services, and what configures them."""
