"""Operations on transfers or files: typed values of an idle server without files."""

from typing import Any

from local.cerberus.operations.handlers import Operations
from local.cerberus.state import ServerState
from local.cerberus.values import Values

OPERATIONS = Operations()


_NO_TRAFFIC: Values = {
    "downloads": 0,
    "uploads": 0,
    "failedDownloads": 0,
    "failedUploads": 0,
    "totalConnections": 0,
    "currentConnections": 0,
}


@OPERATIONS.reads("CurrentStatus")
def _current_status(state: ServerState, _: Values) -> Values:
    return {
        "result": {
            "isStarted": state.started,
            "stats": _NO_TRAFFIC,
            "downBandwidth": 0.0,
            "upBandwidth": 0.0,
            "totalConnections": 0,
            "activeListenerConnections": 0,
        }
    }


def _constant(operation: str, **values: Any) -> None:
    def answer(_: ServerState, __: Values) -> Values:
        return dict(values)

    OPERATIONS.reads(operation)(answer)


_constant("GetCurrentBandwidth", up=0.0, down=0.0)
_constant("GetAllCurrentConnectionCount", result=0)
_constant("GetCurrentConnectionCount", result=0)
_constant("GetConnectedUserList", ConnectionList=[], result=True)
_constant("GetFileTransfers", transferList=[], result=True)
_constant("GetStatistics", result=True, stats=_NO_TRAFFIC, fileStats=[])
_constant("GenerateStatistics", filePath="C:\\ProgramData\\statistics.csv", errorMsg="", result=True)
_constant("GetLogMessages", logList=[{"msg": "Ready", "id": 1, "type": 0, "time": "2026-01-01T00:00:00Z"}], result=True)
_constant("TerminateConnection", result=False)


def _database(operation: str) -> None:
    def answer(_: ServerState, values: Values) -> Values:
        outcome = {"success": True, "label": operation, "message": ""}
        return {"result": "config" in values, "info": [outcome] if "config" in values else []}

    OPERATIONS.reads(operation)(answer)


_database("CreateStatisticsDatabase")
_database("DropStatisticsDatabase")
_database("TestAndVerifyDatabase")


@OPERATIONS.reads("BackupServerConfiguration")
def _backup_server_configuration(_: ServerState, values: Values) -> Values:
    named = bool(values["filePath"])
    return {"filePath": values["filePath"], "errorMsg": "" if named else "A path is required", "result": named}


@OPERATIONS.reads("RestoreServerConfiguration")
def _restore_server_configuration(_: ServerState, __: Values) -> Values:
    """Report that the backup file was not found, because this stand-in writes no files."""
    return {"importResult": [], "errorMsg": "The file was not found", "result": False}
