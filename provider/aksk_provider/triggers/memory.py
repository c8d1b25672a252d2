"""Where an event trigger keeps what it knows, so that a restart forgets nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Protocol

from asgiref.sync import sync_to_async


class Memory(Protocol):
    """Keeps one value."""

    async def load(self) -> dict[str, Any] | None:
        """Return the value, ``None`` when there is none."""
        ...

    async def save(self, value: Mapping[str, Any]) -> None:
        """Replace the value."""
        ...


class AssetStateMemory:
    """In Airflow's state store of the watched assets, which Airflow 3.3 has.

    :param store: what the triggerer gives an event trigger
    :param name: of the value
    """

    def __init__(self, store: Any, name: str) -> None:
        # One trigger may serve several assets, which only these attributes tell; the value is kept with each of them
        self._assets = [*store._by_name.values(), *store._by_uri.values()]
        self._name = name

    async def load(self) -> dict[str, Any] | None:
        """Return what the first asset that has the value keeps."""
        for asset in self._assets:
            value = await asset.aget(self._name)
            if value is not None:
                return dict(value)
        return None

    async def save(self, value: Mapping[str, Any]) -> None:
        """Keep the value with every asset."""
        for asset in self._assets:
            await asset.aset(self._name, dict(value))


class VariableMemory:
    """In an Airflow variable, for Airflow 3.1 and 3.2.

    :param name: of the variable
    """

    def __init__(self, name: str) -> None:
        self._name = name

    async def load(self) -> dict[str, Any] | None:
        """Return what the variable has."""
        from airflow.sdk import Variable

        text = await sync_to_async(Variable.get)(self._name, None)
        return None if text is None else dict(json.loads(text))

    async def save(self, value: Mapping[str, Any]) -> None:
        """Set the variable."""
        from airflow.sdk import Variable

        await sync_to_async(Variable.set)(self._name, json.dumps(value), "Objects that an asset watcher has told of")


def memory(store: Any, *identity: str | None) -> Memory:
    """Return the best memory there is.

    :param store: the trigger's ``asset_state_store``, ``None`` where Airflow has none
    :param identity: what is watched; the value's name is made from it
    """
    name = f"aksk_objects_{blake2b(json.dumps(identity).encode(), digest_size=8).hexdigest()}"
    return VariableMemory(name) if store is None else AssetStateMemory(store, name)
