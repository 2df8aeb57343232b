"""The interface of a cloud and the one over the SDK, to servers of the tests and to the simulator."""
