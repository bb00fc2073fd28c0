"""Programs for one machine: a stand-in for Cerberus servers, a local cloud, a demo. Nothing here is deployed."""
