"""What must hold, tried from outside: the command line and the library against the simulator's own record."""
