"""What ``safe_reinit.testing`` promises to the tests of a program."""
