"""What a backup keeps as its own when it gets the primary's settings."""

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from lxml import etree

from common.errors import Failure, Reason
from replication.documents import canonical
from replication.documents.keep_labels import kept
from replication.documents.keep_list import RULES
from replication.documents.keep_patterns import Rules, words
from replication.documents.merge import AmbiguousEntries, merge
from tests.support.documents import parse_text


def merged(primary: str, own: str, *patterns: str) -> str:
    rules = Rules(patterns) if patterns else Rules.standard()
    return canonical.canonical(merge(parse_text(primary), parse_text(own), rules))


def canonical_text(text: str) -> str:
    return canonical.canonical(parse_text(text))


# One case each -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("primary", "own", "expected"),
    [
        # elements
        ("<s><soapPort>1</soapPort><x>p</x></s>", "<s><soapPort>2</soapPort><x>b</x></s>",
         "<s><soapPort>2</soapPort><x>p</x></s>"),
        # several depths
        ("<s><net><ssl><certFile>p</certFile><tls>1.2</tls></ssl></net></s>",
         "<s><net><ssl><certFile>b</certFile><tls>1.0</tls></ssl></net></s>",
         "<s><net><ssl><certFile>b</certFile><tls>1.2</tls></ssl></net></s>"),
        # a whole subtree
        ("<s><soap><port>1</port></soap></s>", "<s><soap><port>2</port><extra/></soap></s>",
         "<s><soap><port>2</port><extra/></soap></s>"),
        # attributes on a shared element
        ('<s><ssl certFile="p" level="3"/></s>', '<s><ssl certFile="b" level="1"/></s>',
         '<s><ssl certFile="b" level="3"/></s>'),
        ('<s><ssl certFile="p" level="3"/></s>', '<s><ssl level="1"/></s>', '<s><ssl level="3"/></s>'),
        ('<s><ssl level="3"/></s>', '<s><ssl certFile="b"/></s>', '<s><ssl certFile="b" level="3"/></s>'),
        # entries with name and value
        ('<s><e name="soapPort" value="1"/><e name="x" value="p"/></s>',
         '<s><e name="x" value="b"/><e name="soapPort" value="2"/></s>',
         '<s><e name="soapPort" value="2"/><e name="x" value="p"/></s>'),
        ('<s><e name="soapPort">1</e></s>', '<s><e name="x">b</e></s>', "<s/>"),
        ('<s><e name="x">p</e></s>', '<s><e name="x">b</e><e name="soapPort">2</e></s>',
         '<s><e name="x">p</e><e name="soapPort">2</e></s>'),
        # key and value as children
        ("<s><e><key>soapPort</key><value>1</value></e><e><key>x</key><value>p</value></e></s>",
         "<s><e><key>x</key><value>b</value></e><e><key>soapPort</key><value>2</value></e></s>",
         "<s><e><key>soapPort</key><value>2</value></e><e><key>x</key><value>p</value></e></s>"),
        ('<s><e><name value="soapPort"/><v>1</v></e></s>', '<s><e><name value="soapPort"/><v>2</v></e></s>',
         '<s><e><name value="soapPort"/><v>2</v></e></s>'),
        # an entry with a number and a name is what its name says, in any order of attributes
        ('<s><e id="1" name="soapPort" value="1"/></s>', '<s><e name="soapPort" id="1" value="2"/></s>',
         '<s><e id="1" name="soapPort" value="2"/></s>'),
        ("<s><e><id>1</id><name>soapPort</name><v>1</v></e></s>",
         "<s><e><id>1</id><name>soapPort</name><v>2</v></e></s>",
         "<s><e><id>1</id><name>soapPort</name><v>2</v></e></s>"),
        # absence
        ("<s><soapPort>1</soapPort><x>p</x></s>", "<s><x>b</x></s>", "<s><x>p</x></s>"),
        ("<s><ssl><certFile>p</certFile></ssl></s>", "<s/>", "<s><ssl/></s>"),
        ("<s>\n <ssl>\n  <certFile>p</certFile>\n </ssl>\n</s>", "<s/>", "<s><ssl/></s>"),
        ("<s/>", "<s><ssl><certFile>b</certFile><x>b</x></ssl><y/></s>", "<s><ssl><certFile>b</certFile></ssl></s>"),
        ("<s/>", '<s><l name="a" x="1"><ssl certFile="b" y="2"/></l></s>',
         '<s><l name="a"><ssl certFile="b"/></l></s>'),
        # repeated siblings without a name: by what is in them and not kept
        ("<s><l><cert>p1</cert><x>1</x></l><l><cert>p2</cert><x>2</x></l></s>",
         "<s><l><x>2</x></l><l><cert>b1</cert><x>1</x></l></s>",
         "<s><l><cert>b1</cert><x>1</x></l><l><x>2</x></l></s>"),
        # and in order where that is the same
        ("<s><l><cert>p1</cert></l><l/></s>", "<s><l><cert>b1</cert></l><l><cert>b2</cert></l></s>",
         "<s><l><cert>b1</cert></l><l><cert>b2</cert></l></s>"),
        # siblings with names: by name
        ('<s><l name="a"><cert>p1</cert></l><l name="b"><cert>p2</cert></l></s>',
         '<s><l name="b"><cert>b2</cert></l><l name="a"><cert>b1</cert></l></s>',
         '<s><l name="a"><cert>b1</cert></l><l name="b"><cert>b2</cert></l></s>'),
        # one section on each side is the same section, whatever value it bears in a name-like place
        ('<s><server name="P"><cert>p</cert><x>p</x></server></s>',
         '<s><server name="B"><cert>b</cert><x>b</x></server></s>',
         '<s><server name="P"><cert>b</cert><x>p</x></server></s>'),
        ("<s><sec><option>strict</option><cert>p</cert></sec></s>",
         "<s><sec><option>lax</option><cert>b</cert></sec></s>",
         "<s><sec><option>strict</option><cert>b</cert></sec></s>"),
        # namespaces and prefixes
        ('<a:s xmlns:a="urn:n"><a:soapPort>1</a:soapPort><a:x a:crlPath="p"/></a:s>',
         '<s xmlns="urn:n" xmlns:q="urn:n"><soapPort>2</soapPort><x q:crlPath="b"/></s>',
         '<s xmlns="urn:n" xmlns:q="urn:n"><soapPort>2</soapPort><x q:crlPath="b"/></s>'),
        # comments stay harmless
        ("<s><!-- p --><soapPort>1</soapPort></s>", "<s><soapPort><!-- b -->2</soapPort></s>",
         "<s><soapPort>2</soapPort></s>"),
    ],
)  # fmt: skip
def test_a_merge_takes_the_primarys_values_and_keeps_the_backups_own(primary: str, own: str, expected: str) -> None:
    assert merged(primary, own) == canonical_text(expected)


@pytest.mark.parametrize(
    ("pattern", "kept_steps"),
    [
        ("soapPort", {"soapPort", "soap_port", "SOAP-Port"}),
        ("soap-port", {"soapPort", "soap_port", "SOAP-Port"}),
        ("SOAP_PORT", {"soapPort", "soap_port", "SOAP-Port"}),
        ("soap*", {"soapPort", "soap_port", "SOAP-Port"}),
        ("[ns]oap-por?", {"soapPort", "soap_port", "SOAP-Port"}),
        ("other", {"other"}),
        ("oap", set()),
    ],
)
def test_patterns_and_labels_are_both_read_as_words(pattern: str, kept_steps: set[str]) -> None:
    names = ["soapPort", "soap_port", "SOAP-Port", "other", "soaring"]
    root = parse_text("<s>" + "".join(f"<{name}/>" for name in names) + "</s>")
    assert {node.tag for node in kept(root, Rules([pattern])) if not isinstance(node, tuple)} == kept_steps


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("port", ["s/port", "s/a/port", "s/b/port", "s/c@port"]),
        ("a/port", ["s/a/port"]),
        ("?/port", ["s/port", "s/a/port", "s/b/port", "s/c@port"]),
        ("/s/port", ["s/port"]),
        ("/s/*/port", ["s/a/port", "s/b/port", "s/c@port"]),
        ("s", []),
        ("@port", ["s/c@port"]),
        ("c/@port", ["s/c@port"]),
        ("c/*", ["s/c@port"]),
    ],
)
def test_a_pattern_says_where(pattern: str, expected: list[str]) -> None:
    root = parse_text('<s><port/><a><port/></a><b><port/></b><c port="1"/></s>')
    tree = etree.ElementTree(root)

    def path(node: etree._Element | tuple[etree._Element, str]) -> str:
        element, key = node if isinstance(node, tuple) else (node, "")
        return tree.getpath(element).removeprefix("/") + (f"@{key}" if key else "")

    paths = [path(node) for node in kept(root, Rules([pattern]))]
    assert paths == expected


@pytest.mark.parametrize("pattern", ["", " ", "/", "//", "a//b", "a/", "//licence", "@", "a/@", "a/ /b"])
def test_a_pattern_with_an_empty_step_is_refused(pattern: str) -> None:
    with pytest.raises(Failure) as failure:
        Rules.standard([pattern])
    assert failure.value.reason is Reason.CONFIGURATION_INVALID


def test_additions_come_after_the_products_own_rules_and_once() -> None:
    rules = Rules.standard(["mine", "*soap*"], ["mine", "theirs"])
    assert rules.patterns == (*(rule.pattern for rule in RULES), "mine", "theirs")


# The standard rules --------------------------------------------------------------------------------------------------

OWN = """
licence license LicenseKey LICENCE_KEY licenceInfo productLicense ProductKey registrationKey registration-code
activationKey serialNumber serial_number licensekey
soap SOAP soapPort SOAPPort soap_port enableSoap isSoapSecure SOAPSettings webService webServices webservices wsdlPath
remote remoteSettings remote-access RemoteAdmin allowRemoteAccess remoteAdministration enableRemoteSettings
remotePort remotePassword enableRemote allowRemote remoteEnabled isRemoteEnabled remoteUser remoteUserName remoteSecure
remoteAllowed remoteActive useRemote
remoteSsl remoteSSL remoteTls remotePwd remoteLogin managementPassword managementPwd managementPort managementUser
managementLogin managementInterface
webAdmin WebAdminPort WEBADMIN webadmin web-admin web_admin_port httpsAdminPort adminPassword adminpassword Admin
administrator AdministratorPassword administration HTTPAdmin
certificate cert sslCertFile SSLCertFile SSLCertificate certPath serverCertificate CERT_FILE certificatefile
certThumbprint tlsCertPassword
privateKey PrivateKeyFile private_key PRIVATEKEY privkey serverKey server_key_file hostKey sshHostKey SSHHostKeyFile
hostkey keyFile keyfile keyPath keyPassword keyPassphrase keyPair rsaKey dsaKey DSAKeyFile sslKey TLSKey ecdsaKey
ecKey tlsEcKey sshKey sshKeyEd25519 sshKeyRsa sshKeyEcdsa ed25519Key passphrase sslPassword tlsPassword sslPwd tlsPwd
pemPassword serverPem p12Password pfxFile keyStore keystore pkcs12
ca CA caFile CAFile SSLCAFile TLSCAFile FTPSCAFile sslCaFile ca_file ca-path caPath CAPath SSLCAPath clientCA rootCa
trustedCAs trustedRoots CAs caBundle cacert CACerts cafile capath SSLCAList trustStore truststore issuerCaName
crl CRL crlFile CRLFile CRLPath SSLCRLPath crl_path crlpath enableCrl CRLs checkCRL crlEnabled clientCrlFile crlfile
revocationList certRevocation
syncServer syncServers SyncServerConfig serverSync enableServerSync backupServers backup_server syncManager
SynchronizationManager synchronisation synchronization syncIntervalMinutes syncOnServerChange enableSync lastSyncStatus
nextSyncTime autoSync nativeSyncEnabled isSyncEnabled
replicationTargets serverReplication sync backupservers syncserver
""".split()  # noqa: SIM905 - words read better as a text

SHARED = """
cache cacheSize scale location maxConnections passwordPolicy passwordComplexity category categories local localPath
escape welcomeMessage sshKexAlgorithms kexAlgorithms keyExchange keyExchangeAlgorithms sshKeyExchange
sshServerKeyExchange cipherList ciphers macAlgorithms tlsVersion minTlsVersion timeout carriage cascade callback
captcha caption capacity case caseSensitive calendar medicare CRLF crlf convertCRLF crlfTranslation async asyncIO
asynchronous logLevel logFilePath maxLoginsAllowed idleTimeout banner allowFxp hostName serverName
requestNotification email smtpServer smtpPort monkey keyword keywords keepAlive keyboardInteractive apiKeyword
encoding utf8 monitor folder defaultGroup publicShares shareExpiration passiveMode blockList autoBlock privacy
privilege private deprived key value name id passwordHistory hashRounds pbkdf2Rounds selfRegistration
registrationEnabled accountActivation broadcast africa replica
requireClientCertificate clientCertificateRequired verifyClientCertificate notifyAdministratorOnLogin notifyAdmins
adminAlerts emailAdministrators directorySync directorySyncInterval ldapSync timeSync timeServerSync synchronizeClock
sshHostKeyAlgorithms concertMode execKey certaintyLevel userManagementPort remoteFiles
""".split()  # noqa: SIM905 - words read better as a text


@pytest.mark.parametrize("spelling", OWN)
def test_the_standard_rules_keep_machine_specific_names_in_every_style(spelling: str) -> None:
    for style in (
        "<s><a><{0}>{1}</{0}></a></s>",
        '<s><a {0}="{1}"/></s>',
        '<s><e name="{0}" value="{1}"/></s>',
        '<s><e key="{0}">{1}</e></s>',
        "<s><e><key>{0}</key><value>{1}</value></e></s>",
        '<n:s xmlns:n="urn:n"><n:a><n:{0} n:value="{1}"/></n:a></n:s>',
    ):
        primary, own = style.format(spelling, "p"), style.format(spelling, "b")
        assert merged(primary, own) == canonical_text(own), style


@pytest.mark.parametrize("spelling", SHARED)
def test_the_standard_rules_leave_ordinary_names_to_the_primary(spelling: str) -> None:
    for style in (
        "<s><a><{0}>{1}</{0}></a></s>",
        '<s><a {0}="{1}"/></s>',
        '<s><e name="{0}" value="{1}"/></s>',
        "<s><e><key>{0}</key><value>{1}</value></e></s>",
    ):
        primary, own = style.format(spelling, "p"), style.format(spelling, "b")
        assert merged(primary, own) == canonical_text(primary), style


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pattern)
def test_every_rule_says_why_and_is_needed_by_a_spelling(rule: object) -> None:
    pattern, why = rule.pattern, rule.why  # type: ignore[attr-defined]  # parametrized over RULES
    assert why
    others = Rules((), [other for other in RULES if other.pattern != pattern])
    alone = [name for name in OWN if not others.match((frozenset({"s"}), frozenset({words(name)})))]
    assert alone, "no spelling needs it"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("soapPort", "soap-port"),
        ("SSLCertFile", "ssl-cert-file"),
        ("ssl_cert_file", "ssl-cert-file"),
        ("ssl--cert.file", "ssl-cert-file"),
        ("CRLs", "crls"),
        ("trustedCAs", "trusted-cas"),
        ("CAsFile", "cas-file"),
        ("SSLSettings", "ssl-settings"),
        ("PBKDF2Rounds", "pbkdf2-rounds"),
        ("", ""),
    ],
)
def test_labels_are_words(label: str, expected: str) -> None:
    assert words(label) == expected


# Properties ----------------------------------------------------------------------------------------------------------

NAMES = ["cert", "soapPort", "x", "y", "l"]
VALUES = st.sampled_from(["1", "2", " ", "é"])
PATTERNS = ["cert", "*soap*", "l/x", "/s/y", "@y", "l/@cert", "l/l/y"]
RULE_LISTS = st.lists(st.sampled_from(PATTERNS), max_size=4, unique=True)
INDENT = st.sampled_from([None, "\n  "])


@st.composite
def nodes(draw: st.DrawFn, depth: int) -> etree._Element:
    style = draw(st.sampled_from(["element", "element", "entry", "pair", "section"]))
    namespace = draw(st.sampled_from(["", "", "{urn:n}"]))
    if style == "entry":
        entry = etree.Element("e", name=draw(st.sampled_from(NAMES)))
        entry.set("value", draw(VALUES))
        return entry
    if style == "pair":
        pair = etree.Element("e")
        etree.SubElement(pair, "key").text = draw(st.sampled_from(NAMES))
        etree.SubElement(pair, "value").text = draw(VALUES)
        return pair
    element = etree.Element(namespace + draw(st.sampled_from(NAMES)))
    for key in draw(st.sets(st.sampled_from(["cert", "y", "{urn:n}soapPort"]), max_size=2)):
        element.set(key, draw(VALUES))
    if style == "section" and draw(st.booleans()):
        element.set("name", draw(st.sampled_from(["a", "b"])))
    if depth and style == "section":
        fill(element, draw(st.lists(nodes(depth - 1), max_size=4)), draw(INDENT))
    elif draw(st.booleans()):
        element.text = draw(VALUES)
    return element


def fill(parent: etree._Element, children: list[etree._Element], indent: str | None) -> None:
    if children:
        parent.text = indent
    for child in children:
        child.tail = indent
        parent.append(child)


@st.composite
def roots(draw: st.DrawFn) -> etree._Element:
    root = etree.Element("s")
    fill(root, draw(st.lists(nodes(2), max_size=5)), draw(INDENT))
    return root


def kept_by_path(root: etree._Element, rules: Rules) -> list[tuple[str, str]]:
    """The kept nodes with the tags above them, in a sorted list."""
    by_path = []
    for node in kept(root, rules):
        element, key = node if isinstance(node, tuple) else (node, None)
        above = "/".join(str(parent.tag) for parent in reversed(list(element.iterancestors())))
        if key is None:
            by_path.append((above, canonical.canonical(element)))
        else:
            by_path.append((f"{above}/{element.tag}@{key}", str(element.get(key))))
    return sorted(by_path)


def without_kept(root: etree._Element, rules: Rules) -> etree._Element:
    """A copy without all that the rules match, and without layout."""
    bare = deepcopy(root)
    for node in list(kept(bare, rules)):
        if isinstance(node, tuple):
            del node[0].attrib[node[1]]
        else:
            parent = node.getparent()
            assert parent is not None
            parent.remove(node)
    for element in bare.iter():
        if not len(element) and not (element.text or "").strip():
            element.text = None
    return bare


def sorted_values(root: etree._Element) -> list[str]:
    return sorted(f"{e.tag}={v}" for e in root.iter() for v in [*e.attrib.values(), (e.text or "").strip()] if v)


def merged_or_rejected(primary: etree._Element, own: etree._Element, rules: Rules) -> etree._Element:
    """The example does not count where it cannot be told what belongs together."""
    try:
        return merge(primary, own, rules)
    except AmbiguousEntries:
        reject()


@given(roots(), roots(), RULE_LISTS)
def test_merging_again_changes_nothing(primary: etree._Element, own: etree._Element, patterns: list[str]) -> None:
    rules = Rules(patterns)
    once = merged_or_rejected(primary, own, rules)
    assert canonical.canonical(merge(primary, once, rules)) == canonical.canonical(once)


@given(roots(), roots(), RULE_LISTS)
def test_all_that_is_kept_is_the_backups_own(primary: etree._Element, own: etree._Element, patterns: list[str]) -> None:
    rules = Rules(patterns)
    assert kept_by_path(merged_or_rejected(primary, own, rules), rules) == kept_by_path(own, rules)


@given(roots(), roots(), RULE_LISTS)
def test_all_else_is_the_primarys_where_the_backup_has_no_section_of_its_own(
    primary: etree._Element, own: etree._Element, patterns: list[str]
) -> None:
    rules = Rules(patterns)
    result = without_kept(merged_or_rejected(primary, own, rules), rules)
    expected = without_kept(primary, rules)
    assert is_subsequence(sorted_values(expected), sorted_values(result))
    if len(list(result.iter())) == len(list(expected.iter())):
        assert canonical.canonical(result) == canonical.canonical(expected)


def is_subsequence(left: list[str], right: list[str]) -> bool:
    rest = iter(right)
    return all(item in rest for item in left)


@given(roots(), RULE_LISTS)
def test_a_document_merged_with_itself_is_itself(root: etree._Element, patterns: list[str]) -> None:
    assert canonical.canonical(merge(root, root, Rules(patterns))) == canonical.canonical(root)


@given(roots(), roots())
def test_without_rules_the_backup_gets_the_primarys_document(primary: etree._Element, own: etree._Element) -> None:
    assert canonical.canonical(merge(primary, own, Rules([]))) == canonical.canonical(primary)


@given(roots(), roots(), RULE_LISTS)
def test_a_merge_leaves_its_arguments_alone(primary: etree._Element, own: etree._Element, patterns: list[str]) -> None:
    before = etree.tostring(primary), etree.tostring(own)
    with suppress(AmbiguousEntries):
        merge(primary, own, Rules(patterns))
    assert (etree.tostring(primary), etree.tostring(own)) == before


@given(roots(), roots(), RULE_LISTS)
def test_a_merged_document_survives_being_indented_anew(
    primary: etree._Element, own: etree._Element, patterns: list[str]
) -> None:
    """A server that stores a document in its own layout must still be seen to hold it."""
    result = merged_or_rejected(primary, own, Rules(patterns))
    tidy: Callable[[etree._Element], None] = etree.indent
    again = parse_text(etree.tostring(result, encoding="unicode"))
    for element in again.iter():
        if len(element) and not (element.text or "").strip():
            element.text = None
        if not (element.tail or "").strip():
            element.tail = None
    tidy(again)
    assert canonical.canonical(again) == canonical.canonical(result)
    for element in result.iter():
        assert len(element) or "\n" not in (element.text or ""), (
            "an emptied section is left with a value of white space"
        )


def test_sections_of_one_kind_keep_their_order_when_the_backup_has_them_in_another() -> None:
    primary = "<s><y/><l><x>p</x></l></s>"
    own = "<s><l><cert>1</cert><x>p</x></l><y/><l><cert>2</cert></l></s>"
    once = merge(parse_text(primary), parse_text(own), Rules(["cert"]))
    assert canonical.canonical(once) == canonical_text("<s><y/><l><cert>1</cert><x>p</x></l><l><cert>2</cert></l></s>")
    assert canonical.canonical(merge(parse_text(primary), once, Rules(["cert"]))) == canonical.canonical(once)
