"""The run over the fleet: what was asked, the lease, the primary once, every backup, the record."""
