"""Where requests come from: open sources, closed loops of users, and recorded traces."""
