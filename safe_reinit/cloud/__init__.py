"""How ECS is reached: the interface of a cloud, and the one over Alibaba Cloud's SDK."""
