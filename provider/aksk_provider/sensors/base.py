"""What all sensors here share: looking in a worker or in the triggerer, with the same meaning of every option."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue

from aksk_provider.hooks.object_storage import ObjectStorageHook

try:
    from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException
except ImportError:  # Airflow 3.1
    from airflow.exceptions import AirflowSensorTimeout, AirflowSkipException  # type: ignore[no-redef]

if TYPE_CHECKING:
    from aksk_provider.storage.waiting.conditions import Keys, Part, Prefix, Unchanged


# Seconds by which Airflow has noticed the end of a process that deferred; a task that runs again before it did is
# failed: docs/decisions/0018-deferrals-last-ten-seconds.md
_SETTLED = 2 * conf.getint("workers", "min_heartbeat_interval", fallback=5)


class WaitingSensor(BaseSensorOperator):
    """Waits for a condition. Only a 404 means "not yet"; all else fails the task at once with the vendor's code.

    What Airflow's sensors can do works in the worker and in the triggerer alike: ``timeout``, ``soft_fail``,
    ``never_fail``, ``silent_fail``, ``exponential_backoff``, ``max_wait``, ``retries``.

    :param deferrable: wait in the triggerer, holding no worker slot; by default as ``[operators] default_deferrable``
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = ("aksk_conn_id",)
    ui_color = "#cfe2f3"

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.aksk_conn_id = aksk_conn_id

    def condition(self) -> Keys | Prefix | Unchanged:
        """Return what is waited for."""
        raise NotImplementedError

    def accepted(self, results: Sequence[Any]) -> Sequence[Any] | None:
        """Return those results that the user's own check lets pass, ``None`` when they are not enough."""
        return results

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        from aksk_provider.storage.waiting.once import look_at

        results = look_at(self._hook.store, self._parts, any_of=self.condition().any_of)
        if (repeated := self._hook.store.transport.repeated) > self._repeated:
            self.log.info("%d requests had to be sent again", repeated - self._repeated)
            self._repeated = repeated
        accepted = None if results is None else self.accepted(results)
        if accepted is None:
            told = "not yet there" if results is None else "there, but the check says not yet"
            self.log.info("%s: %s", self.condition(), told)
            self._rejected = results
            return PokeReturnValue(False)
        return PokeReturnValue(True, self.condition().result(accepted))

    def execute(self, context: Context) -> Any:
        """Wait in the worker, or in the triggerer when the first look is not enough."""
        if not self.deferrable:
            return super().execute(context)
        deadline = time.time() + self.timeout
        try:
            first = self.poke(context)
        except Exception as error:
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            if not self.silent_fail:
                raise
            self.log.exception("looking failed, and will be tried again")
            first = PokeReturnValue(False)
        if first:
            return first.xcom_value
        return self._wait(deadline, self._rejected)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Return what the trigger found, or raise its error."""
        from aksk_provider.triggers import failures, waiting

        if event["status"] == waiting.TIMED_OUT:
            raise AirflowSensorTimeout(f"Sensor has timed out after {self.timeout:g} s: {self.condition()}")
        if event["status"] == waiting.FAILED:
            error = failures.from_plain(event["error"])
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise error
        accepted = self.accepted(event["results"])
        if accepted is not None:
            return self.condition().result(accepted)
        self.log.info("%s: there, but the check says not yet", self.condition())
        return self._wait(event["deadline"], event["results"])

    def _wait(self, deadline: float, rejected: Sequence[Any] | None) -> Any:
        from aksk_provider.storage.waiting.conditions import to_plain
        from aksk_provider.triggers import waiting

        now = time.time()
        trigger = waiting.WaitTrigger(
            condition=to_plain(self.condition()),
            aksk_conn_id=self.aksk_conn_id,
            poke_interval=self.poke_interval,
            deadline=deadline,
            backoff=self.exponential_backoff,
            max_wait=self.max_wait.total_seconds() if self.max_wait else None,
            keep_going=self.silent_fail,
            rejected=None if rejected is None else waiting.digest(rejected),
            not_before=now + _SETTLED,
        )
        # the trigger keeps the deadline; Airflow's own is for the case that no triggerer runs
        timeout = timedelta(seconds=max(deadline - now, 0) + _SETTLED)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)

    _rejected: Sequence[Any] | None = None
    _repeated = 0

    @cached_property
    def _hook(self) -> ObjectStorageHook:
        return ObjectStorageHook(self.aksk_conn_id)

    @cached_property
    def _parts(self) -> Sequence[Part]:
        return self.condition().parts(self._hook.store.config)
