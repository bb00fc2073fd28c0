"""Stand-ins for one machine: a Cerberus server, a local cloud and a demo. Nothing here is deployed."""
