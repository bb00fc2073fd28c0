"""Where the routes of one resource are collected."""

from aws_lambda_powertools.event_handler.api_gateway import Router


def new_router() -> Router:
    """An empty router."""
    return Router()  # type: ignore[no-untyped-call] # the library's constructor has no annotations
