"""The partitioned log: its pure rules, and what runs them."""
