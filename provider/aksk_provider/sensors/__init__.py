"""Sensors: wait for objects."""

from aksk_provider.sensors.object_key import ObjectKeySensor
from aksk_provider.sensors.prefix import PrefixSensor, PrefixUnchangedSensor

__all__ = ["ObjectKeySensor", "PrefixSensor", "PrefixUnchangedSensor"]
