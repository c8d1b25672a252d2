"""Says what is wrong with a link, a refusal or a connection, and what to do; never with a secret in what it says.

:func:`~aksk_provider.storage.doctor.links.explain_url` reads a link,
:func:`~aksk_provider.storage.doctor.refusals.diagnose` a refusal,
:func:`~aksk_provider.storage.doctor.connection.examine_store` tries a store.
"""

from aksk_provider.storage.doctor.connection import examine_store
from aksk_provider.storage.doctor.links import explain_authorization, explain_url
from aksk_provider.storage.doctor.report import Finding, Report

__all__ = ["Finding", "Report", "examine_store", "explain_authorization", "explain_url"]
