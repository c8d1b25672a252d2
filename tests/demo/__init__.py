"""The demo: a real DAG run for each cloud against a local store that verifies every signature."""
