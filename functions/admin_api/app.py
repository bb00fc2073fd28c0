"""The management API behind API Gateway, which has checked who calls before this code runs."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
api = APIGatewayRestResolver()


@api.get("/health")
def health() -> dict[str, str]:
    """The API is deployed and answers. It says nothing about the servers."""
    return {"status": "ok"}


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Lambda's entry: an API Gateway proxy event in, a proxy reply out."""
    return api.resolve(event, context)
