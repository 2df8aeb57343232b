"""The links of the package: they lead to the repository that it is built from, whose address is known there only.

A workflow sets ``REPOSITORY_URL``; what is built anywhere else has no links, instead of some that lead nowhere.
"""

from __future__ import annotations

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RepositoryLinks(MetadataHookInterface):
    """Adds ``urls`` to the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Implement ``MetadataHookInterface``."""
        if repository := os.environ.get("REPOSITORY_URL", "").rstrip("/"):
            metadata["urls"] = {
                "Source": repository,
                "Issues": f"{repository}/issues",
                "Changelog": f"{repository}/blob/main/CHANGELOG.md",
            }
