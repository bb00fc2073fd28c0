"""The function's configuration is complete and right, or it does not start."""

import pytest

from common.errors import Failure, Reason
from fleet.environment import PACKAGE
from registry.fleet_records import Primary, TlsTrust
from sync.context import Environment

COMPLETE = {
    "TABLE_NAME": "table",
    "SECRET_PREFIX": "prefix",
    "SNAPSHOT_BUCKET": "bucket",
    "HISTORY_DAYS": "90",
    "SNAPSHOT_DAYS": "30",
    "LEASE_SECONDS": "330",
    "BACKUPS_WITH_METRICS": "10",
    "QUEUE_URL": "https://queue.example/1",
    "FAN_OUT_ABOVE": "200",
    "FAN_OUT_MINUTES": "60",
}


def test_the_least_there_must_be() -> None:
    read = Environment.read(COMPLETE)
    assert read == Environment(
        "table",
        "prefix",
        "bucket",
        None,
        (),
        90,
        30,
        330,
        "https://queue.example/1",
        fan_out_above=200,
        fan_out_minutes=60,
    )


def test_everything_there_can_be() -> None:
    read = Environment.read(
        {
            **COMPLETE,
            "PRIMARY_HOST": " files.example ",
            "PRIMARY_PORT": "8443",
            "PRIMARY_FINGERPRINTS": "AA:BB, cc",
            "ALLOWED_NETWORKS": "127.0.0.0/8, ::1/128,",
            "WSDL_FILE": "cerberus/Cerberus.wsdl",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        }
    )
    assert read.primary == Primary("files.example", 8443, TlsTrust(pins=("AA:BB", "cc")))
    assert read.allowed_networks == ("127.0.0.0/8", "::1/128")
    assert read.wsdl == PACKAGE / "cerberus" / "Cerberus.wsdl"
    assert read.memory_megabytes == 512


def test_a_ca_of_the_primary() -> None:
    read = Environment.read({**COMPLETE, "PRIMARY_HOST": "h", "PRIMARY_PORT": "1", "PRIMARY_CA_PEM": "PEM\n"})
    assert read.primary == Primary("h", 1, TlsTrust(ca_pem="PEM"))


def test_an_empty_host_is_no_primary_whatever_the_port() -> None:
    assert Environment.read({**COMPLETE, "PRIMARY_HOST": " ", "PRIMARY_PORT": ""}).primary is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "") for name in COMPLETE),
        *((name, " ") for name in COMPLETE),
        *(("HISTORY_DAYS", value) for value in ("0", "-1", "1.5", "many", "1e3")),
        ("LEASE_SECONDS", "0"),
        ("WSDL_FILE", "cerberus/nothing.wsdl"),
        ("WSDL_FILE", "cerberus"),
        ("WSDL_FILE", "../pyproject.toml"),
        ("WSDL_FILE", "/etc/hostname"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_its_value_is_not_repeated(name: str, value: str) -> None:
    with pytest.raises(Failure) as caught:
        Environment.read({**COMPLETE, name: value})
    assert caught.value.reason is Reason.CONFIGURATION_INVALID
    assert name in caught.value.message
    assert not value.strip() or value not in caught.value.message


@pytest.mark.parametrize("port", ["", "https", "0"])
def test_a_primary_needs_a_port(port: str) -> None:
    with pytest.raises(Failure, match="PRIMARY_PORT"):
        Environment.read({**COMPLETE, "PRIMARY_HOST": "h", "PRIMARY_PORT": port})
