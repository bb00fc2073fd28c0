"""Whether the API answers."""

from admin_api.routing import new_router
from admin_api.schemas import Health

router = new_router()


@router.get("/health", summary="Whether the API answers", tags=["api"], operation_id="getHealth")
def get_health() -> Health:
    """The API is deployed and answers. It says nothing about the servers."""
    return Health()
