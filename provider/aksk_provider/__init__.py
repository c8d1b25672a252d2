"""Airflow provider for object stores that sign with an access key, a secret key and an optional token."""

__version__ = "0.1.0"
