"""What looks like a secret: names in several languages, and values of every shape that programs write them in."""

import re

import pytest

from replication.documents.sensitive import INSPECTED, is_secret_name, looks_generated, may_hold_secret

SECRET_NAMES = [
    "password", "passwordHash", "hash", "salt", "bindPassword", "sshKey", "apikey", "SECRET_TOKEN",
    "PassPhrase", "captchaPrivKey", "pwd", "pin", "userPin", "OTP", "totpSeed", "twoFactor", "mfa", "2fa",
    "authenticator", "recoveryCode", "recoveryCodes", "backupCode", "scratchCodes", "securityAnswer",
    "security_question", "registrationCode", "activationCode", "kennwort", "Passwort", "motDePasse",
    "mot_de_passe", "contraseña", "senha", "wachtwoord", "lösenord", "hasło", "salasana", "heslo", "parola",
    "пароль", "credential", "Authorization", "bearer", "signature", "sig", "sasToken", "cookie", "sessionId",
    "client_secret", "privateKey", "passcode", "unlockCode", "accessCode", "verificationCode", "geheim",
    "schlüssel", "nonce", "serialNumber", "mdp", "schluessel", "snmpCommunity", "jwt", "connectionString", "webhookUrl",
    "pswd", "psswd", "passw", "pword", "şifre", "κωδικός", "סיסמה", "lozinka", "geheimzahl", "puk", "PHPSESSID",
]  # fmt: skip

ORDINARY_NAMES = [
    "passiveAddress", "timeout", "name", "description", "port", "maxFiles", "hostName", "enabled",
    "isActive", "countryCode", "errorCode", "mapping", "pinned", "spinner", "compass", "country", "opinion",
    "signal", "design", "assignment", "sessionTimeoutMinutesMax", "keyboard", "monkey", "http2", "ipv4", "sha256",
    "authMethod", "requireAuth", "ciphers", "upwind",
]  # fmt: skip

SECRET_VALUES = [
    "-----BEGIN RSA PRIVATE KEY-----\nMII",
    "0123456789abcdef0123456789ABCDEF",
    "9e107d9d-372bb682-6bd81d35-42a419d6",
    "d4-1d-8c-d9-8f-00-b2-04-e9-80-09-98-ec-f8-42-7e",
    "d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA ann",
    "$2b$12$abcdefghijklmnopqrstuv",
    "{SSHA}abcdefgh",
    "Server=db;Password=hunter22;",
    "Server=db;Pwd = hunter22",
    "ldap://cn:hunter22@dc.example/",
    "https://ann:hun/ter@files.example/in",
    "ftp://ann:p@ss@files.example",
    "ann:hunter22@files.example",
    "see c2VjcmV0LXZhbHVlLTEyMzQ= there",
    "eyJhbGciOiJIUzI1NiJ9.e30.abc",
    '{"user": "ann", "password": "hunter22"}',
    '{"auth": {"apiKey": "x1"}}',
    "[{'pin': 1234}]",
    "<login><password>hunter22</password></login>",
    '<login user="ann" password="hunter22"/>',
    '<field name="secret">hunter22</field>',
    "psftp.exe -pw hunter22 ann@host",
    "curl -u ann:hunter22 https://files.example",
    "backup.cmd --password hunter22",
    "backup.cmd --password=hunter22",
    "backup.cmd /password:hunter22",
    "sendmail -p hunter22",
    "openssl -k hunter22",
    "plink --passphrase hunter22",
    "Authorization: Basic YW5uOmh1bg==",
    "Authorization: Bearer a1b2c3",
    "Bearer a1b2c3",
    "X-Api-Key: a1b2c3",
    "https://files.example/hook?key=a1b2c3",
    "https://files.example/blob?sv=2020&sig=a1b2c3",
    "https://files.example/hook?token=a1",
    "https://files.example/hook?code=a1b2c3",
    "Cookie: session=a1b2c3",
    "JBSWY3DPEHPK3PXP",
    "JBSW Y3DP EHPK 3PXP",
    "otpauth://totp/ann?secret=JBSWY3DP",
    "Kennwort: hunter22",
    "das Kennwort ist hunter22",
    "mot de passe : hunter22",
    "PIN 1234",
    "pin=1234",
    "code: 8f3k-2m9q",
    "ABCD-1234-EFGH-5678",
    "XXXXX-12345-YYYYY-67890-ZZZZZ",
    "recovery codes 8f3k2m9q 1a2b3c4d",
    "Sommer2024!",
    "P@ssw0rd",
    "correct horse password battery",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_a1B2c3D4e5F6g7H8i9J0",
    "export DB_PASS=hunter22",
    "my.secret.value hunter22",
    "client-secret hunter22",
    "пароль hunter22",
]

ORDINARY_VALUES = [
    "true",
    "60",
    "D:\\ftp\\inbound\\user000001",
    "C:\\ProgramData\\Cerberus LLC\\Cerberus FTP Server\\log",
    "/srv/ftp/inbound/reports",
    "2026-01-02T03:04:05Z",
    "2026-01-02 03:04:05",
    "files.example.com:8443",
    "10.0.0.0/8, 192.0.2.1",
    "2001:db8::1",
    "curve25519-sha256,ecdh-sha2-nistp384",
    "https://files.example/",
    "https://files.example/in?page=2",
    "diffie-hellman-group-exchange-sha256",
    "ou=partners,dc=example",
    "cn=Users,ou=Berlin,dc=files,dc=example",
    "user000001@partner.example",
    "Welcome & be brief.\r\nUse of this server is logged.",
    "application/vnd.ms-excel.sheet.macroEnabled.12",
    "Group inbound 000",
    "text/plain",
    "*.tmp;*.bak",
    "Europe/Berlin",
    "Mo-Fr 08:00-18:00",
    "+49 30 1234567",
    "%Y-%m-%d %H:%M",
    "Partners (Munich)",
    "robocopy C:\\in D:\\out /mir",
    "https://files.example/in?page=2&all=true",
    "x-mode: read",
    "sudo systemctl restart",
    "reports/2026 for ann@example.com",
]
SIGNS = ("{}:", "{} :", "{}*", "{}?", "{}=", "${}", "[{}]", "<{}>", "{} (bind)", "Bind-{}:", "User's {}", "{} / PIN",
         "{},required", "({})", "{}\u00a0", "\u201e{}\u201c", "{}…", "* {} *", "#{}", "{}!")  # fmt: skip
"""How people and programs write a label around a word."""
SPELLINGS = (str, str.upper, str.title, lambda word: f"old{word.title()}", lambda word: f"{word}_1")
SHORT = ("pw", "pwd", "pass", "pswd")
ADMINISTRATORS = ("root", "db", "sa", "svc", "login", "user")
COMMANDS = [
    "mysql -uroot -phunter22", "mysqldump --user=root --password hunter22", "sshpass -phunter22 ssh h",
    "7z a -phunter22 x", "sqlcmd -U sa -Phunter22", "smbclient -Ubob%hunter22", "curl -ubob:hunter22 h",
    "redis-cli -a hunter22", "CREATE USER b IDENTIFIED BY 'hunter22'", "net user bob hunter22 /add",
    "NET.EXE USE Z: \\\\files\\in hunter22", "sqlplus bob/hunter22@orcl", "schtasks /create /rp hunter22",
    "tool --auth hunter22", "X-Auth: hunter22", "proxy_auth=hunter22", "https://h/?access=hunter22",
    "https://h/in?a=1&t=hunter22", "//bob:hunter22@h", "USER bob PASS hunter22", "AUTH PLAIN hunter22",
    "echo hunter22 | sudo -S ls", "snmp-server community hunter22 RO", "key is hunter22", "[pass]hunter22[/pass]",
    "https://h/webhook/hunter22", "https://hooks.slack.com/services/T0/hunter22", "jsessionid=hunter22",
]  # fmt: skip
"""Command lines, statements and addresses in which a secret stands at its place, without a word for it."""


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ORDINARY_NAMES)
def test_other_names_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("word", ["password", "kennwort", "api key", "secret", "mot de passe", "pin", "token", "pwd"])
def test_a_word_for_a_secret_is_known_in_every_spelling_and_between_all_signs(word: str) -> None:
    labels = [sign.format(spelling(word)) for sign in SIGNS for spelling in SPELLINGS]
    assert [label for label in labels if not is_secret_name(label)] == []


@pytest.mark.parametrize("short", SHORT)
def test_a_short_word_for_a_password_is_known_behind_whose_it_is_and_before_a_number(short: str) -> None:
    names = [f"{whose}{short}{number}" for whose in ("", *ADMINISTRATORS) for number in ("", "1", "02")]
    assert [name for name in (*names, *map(str.upper, names)) if not is_secret_name(name)] == []


@pytest.mark.parametrize("value", COMMANDS)
def test_a_secret_at_its_place_in_a_command_line_is_known(value: str) -> None:
    lines = [line.format(value) for line in ("{}", "cmd /c {}", '"{}"', "\n {}\n", "rem backup\r\n{}")]
    assert [line for line in lines if not may_hold_secret(line)] == []


@pytest.mark.parametrize("value", SECRET_VALUES)
def test_values_that_may_hold_a_secret_are_known(value: str) -> None:
    assert may_hold_secret(value)


@pytest.mark.parametrize("value", SECRET_VALUES)
@pytest.mark.parametrize("surrounding", ["see {}", "{} .", "a, {}; b", '"{}"', "\n {}\n", "{}\r\nnext line"])
def test_what_stands_around_a_secret_does_not_hide_it(value: str, surrounding: str) -> None:
    assert may_hold_secret(surrounding.format(value))


@pytest.mark.parametrize("value", ORDINARY_VALUES)
def test_ordinary_values_are_shown(value: str) -> None:
    assert not may_hold_secret(value)
    assert not looks_generated(value)


@pytest.mark.parametrize(
    "name", ["Password expiry mail", "Key users", "Token ring", "Admins", "Rule 1", "Secret Santa"]
)
def test_a_name_that_people_give_may_speak_of_secrets(name: str) -> None:
    assert not looks_generated(name)


def test_what_lies_behind_the_part_that_is_looked_at_is_not_shown_either() -> None:
    assert may_hold_secret("a" * 10 + " password=x")
    assert not may_hold_secret("word " * INSPECTED)


def test_every_expression_over_foreign_text_has_bounded_repetition_alone() -> None:
    """No run of characters may be tried again from each of its positions: time must grow with the length alone."""
    from replication.documents import sensitive

    patterns = {name: pattern for name, pattern in vars(sensitive).items() if isinstance(pattern, re.Pattern)}
    assert len(patterns) > 4
    for name, pattern in patterns.items():
        text = re.sub(r"\\.|\[[^]]*\]|\(\?#[^)]*\)|#.*", "_", pattern.pattern)
        assert not re.search(r"[)_\w][*+](?!\+)", text), name
