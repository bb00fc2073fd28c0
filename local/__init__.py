"""Stand-ins on one machine: a Cerberus server, the local cloud, the demo. Nothing here is deployed."""
