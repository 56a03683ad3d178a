"""PostgreSQL: tables, the unit of work (the only commit), claims and read queries.

Table classes never leave this package; what crosses its border are the plain values of `rows` and of `workflow`.
"""
