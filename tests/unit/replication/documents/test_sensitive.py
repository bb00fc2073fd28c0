"""What looks like a secret: names in several languages, and values of every shape that programs write them in."""

import pytest

from replication.documents.secret_names import is_log_in_name, is_secret_name, is_word_of_log_in
from replication.documents.sensitive import INSPECTED, looks_generated, may_hold_secret, may_name_secret

SECRET_NAMES = [
    "password", "passwordHash", "hash", "salt", "bindPassword", "sshKey", "apikey", "SECRET_TOKEN",
    "PassPhrase", "captchaPrivKey", "pwd", "pin", "userPin", "OTP", "totpSeed", "twoFactor", "mfa", "2fa",
    "authenticator", "recoveryCode", "recoveryCodes", "backupCode", "scratchCodes", "securityAnswer",
    "security_question", "registrationCode", "activationCode", "kennwort", "Passwort", "motDePasse",
    "mot_de_passe", "contraseña", "senha", "wachtwoord", "lösenord", "hasło", "salasana", "heslo", "parola",
    "пароль", "credential", "Authorization", "bearer", "signature", "sig", "sasToken", "cookie", "sessionId",
    "client_secret", "privateKey", "passcode", "unlockCode", "accessCode", "verificationCode", "geheim",
    "schlüssel", "nonce", "serialNumber", "mdp", "schluessel", "snmpCommunity", "jwt", "connectionString", "webhookUrl",
    "contrasenia", "contrasenya", "zugangsdaten", "Anmeldedaten", "Geheimnis", "kennw", "Losung", "identifiants",
    "credenciales", "antwort", "respuesta", "r\u00e9ponse secr\u00e8te", "kodeord", "tajne", "sandi", "\u53e3\u4ee4",
    "\u6697\u8a3c\u756a\u53f7", "\u6697\u53f7", "\u0e23\u0e2b\u0e31\u0e2a\u0e1c\u0e48\u0e32\u0e19", "\ube44\ubc88",
    "\u0631\u0645\u0632", "m\u1eadt kh\u1ea9u", "tfa", "twoStep",
    "csrf", "tkn", "xsrfToken", "tok", "accessTok", "phrase",
    "keyPhrase", "unlock_phrase", "keydata", "keyMaterial", "codeword", "watchword", "hmac", "authCode", "inviteCode",
    "productcode", "reset_code", "googleAuthSecret", "nthash", "ikm",
    "pswd", "psswd", "passw", "pword", "şifre", "κωδικός", "סיסמה", "lozinka", "geheimzahl", "puk", "PHPSESSID",
]  # fmt: skip

ORDINARY_NAMES = [
    "passiveAddress", "timeout", "name", "description", "port", "maxFiles", "hostName", "enabled",
    "isActive", "countryCode", "errorCode", "mapping", "pinned", "spinner", "compass", "country", "opinion",
    "signal", "design", "assignment", "sessionTimeoutMinutesMax", "keyboard", "monkey", "http2", "ipv4", "sha256",
    "authMethod", "requireAuth", "ciphers", "upwind", "auth", "code", "login", "keyword", "keywords", "stock",
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
    "bob:hunterly",
    "dom\\bob:hunterly",
    "bob@dom.example:hunterly",
    "svc.ftp:hunter/ly",
    "user=bob:hunterly",
    "user=bob%3Ahunterly",
    "p%61ssword=hunterly",
    "user%3Dbob%26pwd%3Dhunterly",
    "%7B%22pw%22%3A%22hunterly%22%7D",
    "\\u0070assword=hunterly",
    "Pa$$word: hunterly",
    "p@ssword hunterly",
    "P@55w0rd ist hunterly",
    "&lt;pw&gt;hunterly&lt;/pw&gt;",
    "&amp;lt;pw&amp;gt;hunterly",
    "<cfg><p n='pw'>hunterly</p></cfg>",
    '["pw", "hunterly"]',
    "Ym9iOmh1bnQ=",
    "Ym9iOmh1bnRlcmx5",
    "MIIEowIBAAKC\nAQEAhunterly\nabcd",
    "https://h/reset/hunterly",
    "https://h/in/invite/hunterly",
    "https://api.telegram.org/bot12345:hunterly/send",
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
    "localhost:8443",
    "mailto:ann@example.com",
    "xs:string",
    "ECDHE-RSA-AES256:ECDHE-RSA-AES128",
    "HIGH:!aNULL",
    "C:inbound",
    "08:00",
    "urn:files",
    "Mo:Fr",
    "Log in with your company account.",
    "User manual",
    "50 % of 100 %",
    "https://files.example/verified/2026",
    "R&D &amp; Sales",
    "Tom & Jerry",
    "echo on",
    "Rechnung",
    "abcdefgh",
    "Abcdefgh",
    "Alpha slow",
    "This is a private system.",
    "Salt Lake City",
    "Antworten Sie bitte",
    "Windows 10 1909",
]
SIGNS = ("{}:", "{} :", "{}*", "{}?", "{}=", "${}", "[{}]", "<{}>", "{} (bind)", "Bind-{}:", "User's {}", "{} / PIN",
         "{},required", "({})", "{}\u00a0", "\u201e{}\u201c", "{}…", "* {} *", "#{}", "{}!")  # fmt: skip
"""How people and programs write a label around a word."""
SPELLINGS = (str, str.upper, str.title, lambda word: f"old{word.title()}", lambda word: f"{word}_1")
IN_TEXTS = ("Kennwort", "Passwort", "Zugangscode", "Zugangsdaten", "Schl\u00fcssel", "Geheimzahl",
            "mot de passe", "contrase\u00f1a",
            "clave", "senha", "parola", "llave", "wachtwoord", "l\u00f6senord", "has\u0142o", "jelsz\u00f3",
            "m\u1eadt kh\u1ea9u",
            "p@ssword", "p4ssw0rd", "secr3t", "\u0440\u0430ssword", "p\u00e1ssw\u00f6rd")  # fmt: skip
"""Words for a secret in texts of several languages, and as people disguise them."""
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
    "echo hunter22| plink h", "echo hunter22 | runas", "tool --login=bob,hunter22", "tool --login bob:hunter22",
    "ldapsearch -D cn=x -w hunter22", "u=bob p=hunter22", "[login]\nu=bob\np=hunter22", "tool --bindpw hunter22",
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


@pytest.mark.parametrize("word", IN_TEXTS)
def test_a_word_for_a_secret_is_known_in_texts_and_in_names_alike(word: str) -> None:
    texts = ["{} hunterly", "{}: hunterly", "das {} ist hunterly", "usuario bob {} hunterly", "{}\nhunterly"]
    assert [text for text in texts for one in (word, word.upper()) if not may_hold_secret(text.format(one))] == []
    assert is_secret_name(word)
    assert is_secret_name(f"{word}_bob")


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


LINES = [
    "login bob hunterly", "logon bob hunterly", "sign-in bob hunterly", "user bob hunter22",
    "open h\nbob\nhunterly\nput x", "open h\nuser bob hunterly\nput x", "open h\r\nbob\r\nhunterly\r\nput x",
    "bin\n  USER bob hunterly\nquit",
]  # fmt: skip
"""Lines of scripts in which only the place tells a password."""


@pytest.mark.parametrize("value", LINES)
def test_a_log_in_as_a_line_of_a_script_is_known(value: str) -> None:
    assert [one for one in ("{}", "\n {}\n", "rem backup\r\n{}") if not may_hold_secret(one.format(value))] == []


COMMANDS_AS_NAMES = ["--password {}", "-pw {}", "curl -u bob:{} h", "net use z: {}", "/p:{}", "tool --api-key {}",
                     "echo {}| x"]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS_AS_NAMES)
def test_a_command_is_not_shown_as_a_name_although_names_may_speak_of_secrets(command: str) -> None:
    assert may_name_secret(command.format("hunterly"))


WORDS_OF_LOG_INS = ["Basic", "LOGIN", "cram-md5", "OAuth2", "none", "true", "404", "DE", "ldap, local", "password+key",
                    ""]  # fmt: skip


NAMES_OF_LOG_INS = ["auth", "smtpAuth", "USER_AUTH", "code", "authData", "login string", "auth-info", "userauth"]
OF_NO_LOG_IN = ["author", "authority", "errorCode", "countryCode", "login", "loginHours", "codepage", "codec"]


@pytest.mark.parametrize("name", NAMES_OF_LOG_INS)
def test_what_may_be_a_log_in_shows_the_words_of_ways_to_log_in_and_nothing_else(name: str) -> None:
    assert is_log_in_name(name)
    assert [word for word in WORDS_OF_LOG_INS if not is_word_of_log_in(word)] == []
    assert not any(map(is_word_of_log_in, ["hunterly", "bob:hunterly", "basic hunterly", "4711"]))


@pytest.mark.parametrize("name", OF_NO_LOG_IN)
def test_other_names_are_of_no_log_in(name: str) -> None:
    assert not is_log_in_name(name)


NAMES_OF_PEOPLE = ["Password expiry mail", "Copy of rule 1", "User list", "open door", "Key users", "Token ring",
                   "Admins", "Rule 1", "Secret Santa"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES_OF_PEOPLE)
def test_a_name_that_people_give_may_speak_of_secrets(name: str) -> None:
    assert not looks_generated(name)
    assert not may_name_secret(name)


def test_what_lies_behind_the_part_that_is_looked_at_is_not_shown_either() -> None:
    assert may_hold_secret("a" * 10 + " password=x")
    assert not may_hold_secret("word " * INSPECTED)
