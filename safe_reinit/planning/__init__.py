"""From what a caller asks for to a plan: discover, describe, check. Nothing here changes anything."""
