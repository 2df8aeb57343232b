"""Files that this user alone may write, and files that are written whole."""
