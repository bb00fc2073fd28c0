"""Plans and carries out the replication to one backup. This package does not depend on AWS or SOAP."""
