"""The runner for several hosts: Temporal carries the shards of a run to workers, and decides nothing.

    workflow    one workflow for each run: asks for the next stage, and has its shards carried
    activities  what a worker does for a workflow
    worker      a worker: polls, follows rotated keys, tells its health, and ends in order
    server      how the Temporal server is reached, and what is wrong where it is not
    submit      starts the workflow of a run, and says how it is getting on

The SDK is an extra: nothing outside this package imports it, and this package is imported only where it is used.
"""
