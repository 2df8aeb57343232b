"""How requests are read and verified, and how answers are written.

| file | what is in it |
|---|---|
| ``request``, ``params`` | a request, and its parameters |
| ``acs3``, ``rpc`` | the two ways in which requests are signed |
| ``answers`` | answers as JSON or XML |
"""
