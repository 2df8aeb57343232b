"""How ECS is reached: the interface of a cloud, and its implementation with Alibaba Cloud's SDK.

| file | what is in it |
|---|---|
| ``interface`` | the cloud as the rest of the program sees it, and the three ways in which a call can fail |
| ``locate``, ``endpoints``, ``connection`` | which cloud is meant, at which addresses, and who answers there |
| ``simulation`` | the one simulated ECS that all clients reach while a test of a program lasts |
| ``given`` | credentials from an object of the program |
| ``retry`` | repeats Describe calls; a changing call is never repeated here |
| ``aliyun/`` | the implementation: requests, answers, and finding and renewing credentials |
"""
