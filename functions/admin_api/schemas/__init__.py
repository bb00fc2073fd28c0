"""Schemas of requests and replies, one module for each subject."""
