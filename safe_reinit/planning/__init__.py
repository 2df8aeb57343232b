"""Turns a request into a plan. Nothing here changes anything in the cloud.

| file | what is in it |
|---|---|
| ``request`` | what the caller asks for, checked before any call |
| ``discover`` | finds the disks by their tags, instances or a file |
| ``planner``, ``pipeline`` | make a plan: read the facts, check them, ask what ECS can check in advance |
| ``facts`` | the facts that the checks judge, for a plan and for each recheck |
| ``describe`` | makes the Describe calls |
| ``other_products`` | asks other products, such as Auto Scaling, what they know of an instance |
| ``ram_check`` | which permissions a run needs and has |
| ``plan_store`` | saves plan files, and loads them only while they still hold |
| ``parallel`` | several questions at once, within one time limit |
| ``setup`` | what all plans and runs of a client have in common |
"""
