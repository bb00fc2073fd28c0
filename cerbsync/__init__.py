"""``cerbsync``: the command line of the Synchronization Manager, for administrators on any system.

The command line speaks to the management API, which docs/openapi.json describes, and imports nothing of the functions.
"""
