"""Reports of a server about itself, and starting and stopping it."""

from local.cerberus.operations.handlers import Operations
from local.cerberus.state import EDITIONS, ServerState
from local.cerberus.values import Values

OPERATIONS = Operations()


@OPERATIONS.reads("ServerInformation")
def _server_information(state: ServerState, _: Values) -> Values:
    return {
        "result": {
            "version": _version(state),
            "hostname": state.machine.host,
            "isStarted": state.started,
            "isSuccess": True,
            "message": "",
        }
    }


def _version(state: ServerState) -> Values:
    return dict(zip(("maj", "min", "maint", "build"), state.version, strict=True))


@OPERATIONS.reads("GetHostname")
def _get_hostname(state: ServerState, _: Values) -> Values:
    return {"result": state.machine.host}


@OPERATIONS.reads("GetAppPaths")
def _get_app_paths(_: ServerState, __: Values) -> Values:
    return {
        "AppDataPath": "C:\\ProgramData\\Cerberus LLC\\Cerberus FTP Server",
        "AppInstallPath": "C:\\Program Files\\Cerberus LLC\\Cerberus FTP Server",
    }


@OPERATIONS.reads("GetFeatures")
def _get_features(state: ServerState, _: Values) -> Values:
    code = EDITIONS[state.edition]
    professional, enterprise = code >= EDITIONS["Professional"], code >= EDITIONS["Enterprise"]
    return {
        "Features": {
            "maxConnectionLimit": 5 if code == EDITIONS["Personal"] else 0,
            "enableActiveDirectory": professional,
            "enableLDAPAuthentication": professional,
            "enableFIPS1402": professional,
            "enableRemoteAdmin": True,
            "enableClientCertificateVerify": True,
            "enableSshFtp": professional,
            "enableHttp": enterprise,
            "enableEvents": enterprise,
            "enableReports": enterprise,
            "enableServerSync": professional,
            "productEditionCode": code,
        },
        "result": True,
    }


@OPERATIONS.reads("GetLicenseInfo")
def _get_license_info(state: ServerState, _: Values) -> Values:
    return {"LicenseInformation": _license(state), "result": True}


def _license(state: ServerState) -> Values:
    valid = state.licence_valid()
    machine = state.machine
    return {
        "name": state.setting("general/license/name") or machine.name,
        "companyName": state.setting("general/license/companyName") or "Example Ltd",
        "issuedDate": int(state.setting("general/license/issued") or machine.issued),
        "upgradeTimeRemaining": 200,
        "clientCount": 1,
        "daysValid": int(state.setting("general/license/daysValid") or machine.days_valid),
        "installedDate": int(state.setting("general/license/installed") or machine.installed),
        "isValid": valid,
        "isForCompanyUse": True,
        "productEdition": state.edition,
        "errorMessage": "" if valid else "The license does not belong to this machine",
    }


@OPERATIONS.reads("VerifyLicense")
def _verify_license(state: ServerState, values: Values) -> Values:
    return {"LicenseInformation": _license(state), "result": values["LicenseString"] == state.machine.license_key}


@OPERATIONS.reads("ServerSummaryStatus")
def _server_summary_status(state: ServerState, _: Values) -> Values:
    machine = state.machine
    version = {
        "ver": _version(state),
        "buildDate": "2026-01-01T00:00:00Z",
        "status": "production",
        "arch": "Amd64",
        "minOS": 6.1,
    }
    return {
        "result": {
            "isSslEnabled": True,
            "sslKeyType": state.setting("security/privateKey/@type") or machine.key_type,
            "sslKeyBits": int(state.setting("security/privateKey/@bits") or machine.key_bits),
            "sslCipherMinSymmetricBits": 128,
            "isClientVerifyEnabled": False,
            "isFipsEnabled": False,
            "isSoapWebEnabled": state.setting("remote/soap/@enabled") != "false",
            "isSoapSecure": (state.setting("remote/soap/@secure") or _bool(machine.soap_secure)) == "true",
            "soapPort": int(state.setting("remote/soap/port") or machine.soap_port),
            "ipPublic": machine.passive_address,
            "ftpStatus": "Secure",
            "ftpStatusMsgs": [],
            "sftpStatus": "Secure",
            "sftpStatusMsgs": [],
            "httpStatus": "Secure",
            "httpStatusMsgs": [],
            "hipaaCompliant": False,
            "hipaaCompliantMsgs": ["FIPS mode is off"],
            "generalMsgs": [],
            "securityMsgs": [],
            "vulnerabilityStatus": "None",
            "updateInfo": {
                "lastChecked": "2026-01-01T00:00:00Z",
                "currentVer": version,
                "latestVer": {**version, "downloadURL": "", "changeDescList": []},
            },
        }
    }


def _bool(value: bool) -> str:
    return "true" if value else "false"


# Starting and stopping


def _starter(operation: str, started: bool) -> None:
    def answer(state: ServerState, _: Values) -> Values:
        state.started = started
        return {"result": True}

    OPERATIONS.writes(operation)(answer)


_starter("StartServer", started=True)
_starter("InitializeServer", started=True)
_starter("StopServer", started=False)
_starter("ShutdownServer", started=False)


@OPERATIONS.reads("ServerStarted")
def _server_started(state: ServerState, _: Values) -> Values:
    return {"result": state.started}
