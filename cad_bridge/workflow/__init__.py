"""What happens to a case and why: commands in, decisions out, nothing done here (PURE).

Nothing in this package reads a clock, a database or a network. `decide` takes the case as it stands, one command and
the time, and returns everything that has to become true in one commit.
"""
