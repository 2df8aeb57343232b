"""What is measured of ECS, and what it says of the assumptions."""
