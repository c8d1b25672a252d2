"""Arguments of operators as the hook takes them: a template can only give text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pendulum
from airflow.sdk import BaseOperator

from aksk_provider.errors import InvalidRequestError


def own_params(operator: BaseOperator, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the params given to this task: Airflow's constructor hands over those of the DAG as well."""
    of_dag = operator.dag.params if operator.has_dag() else {}
    given = params or {}
    return {name: given[name] for name in given if name not in of_dag}


def lifetime(value: timedelta | float | str | None) -> timedelta | None:
    """Return a lifetime that is given as a timedelta or in seconds."""
    if value is None or isinstance(value, timedelta):
        return value
    try:
        return timedelta(seconds=float(value))
    except ValueError as error:
        raise InvalidRequestError(f"expires_in must be a timedelta or a number of seconds, not {value!r}") from error


def instant(value: datetime | str | None) -> datetime | None:
    """Return a time that is given as a datetime or as ISO 8601 text."""
    if value is None or isinstance(value, datetime):
        return value
    try:
        parsed = pendulum.parse(value)
    except ValueError as error:
        raise InvalidRequestError(f"expires_at must be an ISO 8601 time, not {value!r}") from error
    if not isinstance(parsed, pendulum.DateTime):
        raise InvalidRequestError(f"expires_at must be a point in time, not {value!r}")
    return parsed
