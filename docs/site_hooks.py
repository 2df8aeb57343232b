"""What mkdocs does besides: mkdocs.yml names this file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import jieba

# Its cache is trusted when it is loaded, so it is not kept in /tmp, where others could write it first.
jieba.dt.tmp_dir = str(Path(jieba.__file__).parent)
jieba.setLogLevel("WARNING")


def on_config(config: Any) -> None:
    """Link to the repository at the foot of each page, if ``REPOSITORY_URL`` says where it is, as in the workflows.

    The theme's own setting for it would let each page ask the host of the repository for its statistics.
    """
    if repository := os.environ.get("REPOSITORY_URL"):
        config["extra"]["social"] = [
            {"icon": "material/source-repository", "link": repository, "name": "Repository: source and issues"}
        ]


def on_post_page(output: str, **_: object) -> str:
    """Remove the links to other languages from the head of a page; sitemap.xml and the language switch have them.

    The theme's script would ask for a sitemap below each of them, where there is none.
    """
    return re.sub(r'<link rel="?alternate"?[^>]*hreflang[^>]*>', "", output)
