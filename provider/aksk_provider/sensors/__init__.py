"""Sensors: wait for objects."""

from aksk_provider.sensors.object_key import ObjectKeySensor

__all__ = ["ObjectKeySensor"]
