"""What requests and answers look like, by what the API speaks of."""
