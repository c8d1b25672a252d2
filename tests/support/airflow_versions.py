"""What differs between the versions of Airflow that the tests run with."""

from __future__ import annotations

from importlib.metadata import version

import pytest

AIRFLOW = tuple(int(part) for part in version("apache-airflow-core").split(".")[:2])

if AIRFLOW < (3, 2):
    from airflow.exceptions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
    from airflow.providers_manager import ProvidersManager as ProvidersManagerTaskRuntime
    from airflow.serialization.serde import deserialize, serialize
else:
    from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
    from airflow.sdk.serde import deserialize, serialize

__all__ = [
    "AIRFLOW",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "ProvidersManagerTaskRuntime",
    "TaskDeferred",
    "deserialize",
    "needs",
    "serialize",
]


def needs(major: int, minor: int, what: str) -> pytest.MarkDecorator:
    """Skip a test where Airflow is older than the first version that has what is tested.

    :param what: what that Airflow has and older ones have not
    """
    return pytest.mark.skipif((major, minor) > AIRFLOW, reason=f"only Airflow {major}.{minor} and newer {what}")
