"""Sphinx configuration: MyST pages, and an API reference read from the source without importing it."""

from __future__ import annotations

import builtins
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.util.nodes import make_refnode

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "provider" / "aksk_provider"

project = "airflow-provider-aksk"
author = "the airflow-provider-aksk authors"
copyright = f"2026, {author}"
version = release = re.search(r'__version__ = "(.+)"', (PACKAGE / "__init__.py").read_text()).group(1)  # type: ignore[union-attr]

extensions = ["myst_parser", "autoapi.extension"]
CHANGE_TYPES = {"breaking": "Breaking", "feature": "New", "fix": "Fixed", "docs": "Documentation"}
exclude_patterns = ["_build", *(f"changelog/*.{kind}.md" for kind in CHANGE_TYPES)]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"

autoapi_dirs = [str(PACKAGE)]
autoapi_root = "api"
autoapi_add_toctree_entry = False
autoapi_options = ["members", "undoc-members"]
autoapi_python_class_content = "class"
autoapi_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 100

# References into other projects are not resolved: the build needs no network and no Airflow. Ours are all checked.
nitpicky = True
third_party = [
    "airflow",
    "jinja2",
    "aiohttp",
    "pendulum",
    "requests",
    "starlette",
    "tenacity",
    "typing_extensions",
    "urllib3",
    "yarl",
    "uvicorn",
]
nitpick_ignore_regex = [
    (r"py:.*", rf"({'|'.join([*third_party, *sys.stdlib_module_names])})(\..*)?"),
    (r"py:.*", rf"({'|'.join(dir(builtins))}|\.\.\.|Buffer)"),
]


def add_changelog_fragments(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put ``docs/changelog/<slug>.<type>.md`` into the page of changes, by type."""
    if docname != "changelog/index":
        return
    text = ""
    for kind, heading in CHANGE_TYPES.items():
        fragments = sorted((ROOT / "docs" / "changelog").glob(f"*.{kind}.md"))
        items = ["- " + fragment.read_text("utf-8").strip().replace("\n", "\n  ") for fragment in fragments]
        text += f"### {heading}\n\n" + "\n".join(items) + "\n\n" if items else ""
        for fragment in fragments:
            app.env.note_dependency(str(fragment))
    source[0] = source[0].replace("<!-- fragments -->", text)


def resolve_reexport(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element
) -> nodes.reference | None:
    """Lead ``aksk_provider.signing.Request``, or ``Request``, to ``aksk_provider.signing.model.Request``.

    A name is documented in the module that defines it, and imported from the package above. A name that two
    modules below the package define stays unresolved, and so a warning.
    """
    if node.get("refdomain") != "py":
        return None
    package, _, name = node["reftarget"].rpartition(".")
    python = env.domains["py"]
    found = [
        (full_name, entry)
        for full_name, entry in python.objects.items()
        if full_name.startswith((package or PACKAGE.name) + ".") and full_name.endswith("." + name)
    ]
    if len(found) != 1:
        return None
    full_name, entry = found[0]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, full_name)


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", resolve_reexport)
    app.connect("source-read", add_changelog_fragments)
