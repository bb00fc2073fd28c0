"""``cerbsync``: the command line of the Synchronization Manager, for administrators on any system.

It speaks to the management API of a deployed stack, which docs/openapi.json describes, and imports nothing of the
functions.
"""
