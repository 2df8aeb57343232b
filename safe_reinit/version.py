"""The version. It is a constant, because reading the installed metadata takes as long as a small command may."""

VERSION = "0.1.0"
