"""Training beyond one process and one machine."""
