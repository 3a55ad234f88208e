"""How fast, and how much memory: ratios within one run, by processor time."""
