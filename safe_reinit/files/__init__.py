"""Files that this user alone may write, that are read only if they are regular ones, and that are written whole."""
