"""Links in Airflow: recipes are signed here, and links kept out of logs and rendered templates."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.log import mask_secret

from aksk_provider.errors import InvalidRequestError

if TYPE_CHECKING:
    from aksk_provider.hooks.object_storage import ObjectStorageHook
    from aksk_provider.signing import Credentials, PresignedURL
    from aksk_provider.storage.presigning.recipes import Recipe

log = logging.getLogger(__name__)
# Airflow's masker compiles everything again for each text that is added, in the task and in its supervisor: hundreds of
# whole links take it minutes, in which no heartbeat is sent.
_WHOLE = 10
_SIGNATURES = 100


def mask_url(url: str) -> None:
    """Keep a link out of what this task logs and renders from now on: the URL, its signature and its token."""
    from aksk_provider.storage.presigning import inspection

    mask_secret(list(inspection.secrets(url)))


def mask_links(links: Sequence[PresignedURL], credentials: Credentials | None = None) -> None:
    """Keep links out of what this task logs and renders from now on, percent-encoded too.

    More than ten are masked by their signatures and token alone. More than a hundred are too many for Airflow's masker:
    then only the token is masked, and the log says so.

    :param credentials: what they were signed with; the secret key and the token are masked as well. Airflow does that
        by itself for what stands in a connection, not for what the environment gives
    """
    from aksk_provider.storage.presigning import inspection

    for secret in (credentials.secret_key, credentials.token) if credentials else ():
        if secret:
            mask_secret(list(inspection.encoded_forms(secret)))
    if len(links) > _SIGNATURES:
        log.warning("%d links are too many to mask: do not print them; recipes need no masking", len(links))
        return
    for link in links:
        if len(links) > _WHOLE:
            mask_secret(list(inspection.secret_parts(link.url)))
        else:
            mask_url(link.url)


def mask_link(link: PresignedURL, credentials: Credentials | None = None) -> None:
    """Keep one link out of what this task logs and renders from now on; see :func:`mask_links`."""
    mask_links([link], credentials)


def mask_links_in(value: Any) -> None:
    """Mask every link in a value from a template: in a text, or in the lists and dictionaries that hold one."""
    from aksk_provider.storage.presigning import inspection

    if isinstance(value, str):
        for url in inspection.links_in(value):
            mask_url(url)
    elif isinstance(value, Mapping):
        for inner in value.values():
            mask_links_in(inner)
    elif isinstance(value, list | tuple | set):
        for inner in value:
            mask_links_in(inner)


def sign_recipe(hook: type[ObjectStorageHook], recipe: Recipe | Mapping[str, Any]) -> PresignedURL:
    """Sign a recipe with the connection it names, and mask the link.

    :raises InvalidRequestError: it is no recipe, or the connection is for another cloud
    """
    from aksk_provider.storage.presigning.recipes import Recipe

    recipe = recipe if isinstance(recipe, Recipe) else Recipe.from_dict(recipe)
    opened = hook(recipe.conn_id)
    config = opened.store.config
    if config.vendor.name != recipe.vendor:
        raise InvalidRequestError(
            f"recipe: vendor is {recipe.vendor}, and connection {recipe.conn_id} is for {config.vendor.title}"
        )
    link = opened.presign(recipe.key, recipe.bucket, **recipe.presign_arguments())
    mask_link(link, config.credentials())
    return link
