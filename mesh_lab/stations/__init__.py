"""Where requests wait and are served: disciplines, waiting lines, and the crews that serve them."""
