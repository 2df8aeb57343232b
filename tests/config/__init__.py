"""Settings: from the option, the environment, the file and the default."""
