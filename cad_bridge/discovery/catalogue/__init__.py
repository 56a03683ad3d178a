"""The endpoint catalogue: which service takes which use case, at which address. Rows and resources are passed in."""
