"""What mkdocs does besides: mkdocs.yml names this file."""

from __future__ import annotations

import re
from pathlib import Path

import jieba

# Its cache is trusted when it is loaded, so it is not kept in /tmp, where others could write it first.
jieba.dt.tmp_dir = str(Path(jieba.__file__).parent)
jieba.setLogLevel("WARNING")


def on_post_page(output: str, **_: object) -> str:
    """Remove the links to other languages from the head of a page; sitemap.xml and the language switch have them.

    The theme's script would ask for a sitemap below each of them, where there is none.
    """
    return re.sub(r'<link rel="?alternate"?[^>]*hreflang[^>]*>', "", output)
