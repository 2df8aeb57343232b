"""What mkdocs does to each page besides: mkdocs.yml names this file."""

from __future__ import annotations

import re


def on_post_page(output: str, **_: object) -> str:
    """Remove the links to other languages from the head of a page; sitemap.xml and the language switch have them.

    The theme's script would ask for a sitemap below each of them, where there is none.
    """
    return re.sub(r'<link rel="?alternate"?[^>]*hreflang[^>]*>', "", output)
