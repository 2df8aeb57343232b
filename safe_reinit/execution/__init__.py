"""Carries out a plan: the driver of the core, its calls to ECS, and the journal behind it.

| file | what is in it |
|---|---|
| ``runs`` | the runs of a client: their journal, their sessions, and which of them go on in this process |
| ``session`` | one run in this process: begin it or take it over, carry it to its end, report it |
| ``driver`` | carries out what the core asks for, and tells the core what happened; it decides nothing |
| ``observe`` | the Describe calls that show what a job needs next |
| ``recheck`` | the recheck: reads the facts of the plan again before a call |
| ``store`` | writes states to the journal before anything that follows from them is done |
| ``calls`` | sends a changing call once, and returns how it ended |
| ``records`` | what the journal has of a run at its beginning, and whether a call may be sent |
| ``shards`` | carries out a run that is split into shards |
| ``following`` | shows a run that other processes carry out |
| ``verdicts`` | checks what a person says about an unknown outcome |
| ``tags`` | removes the lock tag of a run |
| ``descriptors`` | makes sure that the process has enough file descriptors and all modules |
| ``executor`` | threads that never keep a process from ending |
"""
