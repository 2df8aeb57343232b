"""The core of a run: pure and deterministic. Read this first.

    wait for snapshots -> (TagResources) -> StopInstance -> wait -> (CreateSnapshot -> wait)
    -> ReInitDisk, or ResetDisk in an undo -> wait for the proof -> StartInstance -> wait -> (UntagResources)

``run.Run.step`` takes what happened (inputs) and returns what to do (effects); a driver carries the effects out and
steps again with the results. For each job, in this order:

1. ``polling.needs`` says what to describe, and ``polling.next_at`` when.
2. ``evolve.evolve`` folds what happened into the job's ``JobState``: an observation, an answer, a limit that passed.
   Nothing else changes a state during a run, and a state only grows more careful.
3. ``decide.decide`` names the next action from the state and the observation: wait, send one call, or finish.
4. Unless the call brings a machine back, a recheck reads the facts of the plan once more, and 2 and 3 are done again.
5. The intention is committed, and only then the call is sent, once. How it ended is the next event.

``scheduler.Scheduler`` says which jobs may begin (canary, waves, caps) and how many calls the quotas allow.

| file | what is in it |
|---|---|
| ``inputs`` | inputs and effects |
| ``run`` | the steps of a whole run |
| ``events``, ``evolve`` | what can happen to a job, and how it changes the state |
| ``observations``, ``wipes``, ``snapshots``, ``answers`` | the parts of ``evolve``, by kind of event |
| ``resuming`` | how another process continues a job, and limits after a pause |
| ``outages``, ``pauses`` | while the journal cannot be written; after the process did not run for a while |
| ``decide`` | the order of the calls, and their guards |
| ``state``, ``steps`` | how a state begins and ends; where each kind of call is in it |
| ``transitions`` | which state of a call or wipe may follow which: for tests and pictures, no other file imports it |
| ``outcomes`` | what an answer means, the sentence about it, and when a call may be made again |
| ``describing``, ``rechecks``, ``commits`` | what is observed; which facts are read next; what is written |
| ``guards`` | what holds a call back |
| ``freshness``, ``polling`` | how old an observation may be; what is described, and when |
| ``jobs``, ``scheduler``, ``waves``, ``rate_limits`` | what a fleet needs beyond one machine |
| ``reports``, ``waits`` | the events that people and machines read; what is waited for, and until when |
"""
