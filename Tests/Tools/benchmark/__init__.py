"""What `make bench` and its kin are made of: who runs a program, what is run, how it is timed, and how it is told."""
