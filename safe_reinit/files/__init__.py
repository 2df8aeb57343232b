"""Reading and writing files safely.

| file | what is in it |
|---|---|
| ``trust`` | whether anybody else could have written a file |
| ``regular`` | reads a file only if it is a regular one, and not too large |
| ``whole`` | writes a file completely or not at all |
| ``home`` | the folders of the user |
"""
