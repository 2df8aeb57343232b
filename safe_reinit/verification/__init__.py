"""Measures, on a spare machine, what no document says about ECS, and compares it with the assumptions.

| file | what is in it |
|---|---|
| ``rounds`` | the runs of a verification: planned, checked and guarded like any other run |
| ``watch``, ``record`` | observe one machine from outside every second; what that shows |
| ``assumptions`` | each assumption, and whether the measurement agrees |
| ``document`` | the result without any id, so that it can be sent to others |
"""
