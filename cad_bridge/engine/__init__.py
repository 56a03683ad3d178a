"""Commands made true: lock, decide, render, one commit. Nothing else in the service changes a case."""
