"""The version: a constant, since asking the installed metadata costs as much as a small command may."""

VERSION = "0.1.0"
