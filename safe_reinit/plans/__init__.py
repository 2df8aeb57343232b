"""What a plan is. Pure.

| file | what is in it |
|---|---|
| ``plan`` | makes a plan from facts and the findings of the checks |
| ``plan_file``, ``plan_schema`` | a plan as a file, its digest, and what each of its members can be |
| ``drift`` | what has changed since the plan was made, and what would be refused now |
| ``ram_policy`` | the permissions that a run of the plan needs |
| ``regions``, ``shards`` | several regions as one plan; one plan cut into shards for several hosts |
"""
