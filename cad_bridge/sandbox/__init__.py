"""A small BaRS world on loopback: proxy, simulated CAS, AST and requester, and the scripted shift of the demo.

It imports nothing of the service and writes its messages as raw JSON from its own reading of the standard;
docs/sandbox.md is its contract. Start with `start_sandbox`.
"""
