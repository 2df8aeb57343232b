"""The simulated cloud, and the rules by which it changes. Nothing here knows HTTP.

| file | what is in it |
|---|---|
| ``cloud``, ``model``, ``table`` | the cloud, the things in it, and rows that are found again |
| ``clock``, ``timeline`` | simulated time, and the changes that it will finish |
| ``wiping`` | ReInitDisk and ResetDisk: every documented precondition |
| ``power``, ``snapshots``, ``scaling`` | the rules of instances, of snapshots, and of what happens without a call |
| ``conditions``, ``permissions`` | what several operations refuse; what a key may do |
"""
