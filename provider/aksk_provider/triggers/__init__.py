"""Triggers: the waiting half of deferrable sensors."""
