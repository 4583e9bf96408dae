"""Downloads from servers that strangers have named: real ones, which lie, drip, break off and lead astray."""

import gzip
import itertools
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network

import pytest

from energyapp.downloads.client import MAX_REDIRECTS, Downloader
from energyapp.downloads.faults import MAX_RETRY_AFTER_S, LastingFault, PassingFault, fault_of
from energyapp.downloads.links import Rules, addresses_of, is_public, look_up, parse_link
from energyapp.downloads.parts import Version
from tests.https_server import Authority
from tests.processes import wait_until

SONG = bytes(range(256)) * 1000
UNKNOWN = Version()


def at(*addresses: str):
    """A name server that knows one answer."""
    return lambda host, port, timeout_s: list(addresses)


SERVER_ITSELF = at("127.0.0.1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.in_folder(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority):
    with authority.serve() as server:
        yield server


@pytest.fixture
def rules(authority, server):
    """`rules(total_s=1)`: those of strangers' links, but this one server is allowed."""

    def make(**changed) -> Rules:
        own = {"ports": frozenset({server.server_port}), "networks": (ip_network("127.0.0.1"),)}
        return Rules(ca_file=str(authority.file), **{**own, **changed})

    return make


@pytest.fixture
def fetch(rules, server, tmp_path):
    """`fetch("/a.mp3")`: its bytes; None when the server has nothing newer."""

    def run(path: str, *, host: str = "previews.test", resolve=SERVER_ITSELF, known=UNKNOWN, **changed):
        with Downloader(rules(**changed), resolve=resolve) as downloader:
            is_new = downloader.fetch(server.url(path, host), tmp_path / "1.part", known=known)
        return (tmp_path / "1.part").read_bytes() if is_new else None

    return run


def part_files(tmp_path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in tmp_path.iterdir()}


# ---- Links


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("http://music.test/a.mp3", "begins with 'http'; expected https"),
        ("ftp://music.test/a.mp3", "expected https"),
        ("file:///etc/passwd", "expected https"),
        ("music.test/a.mp3", "no scheme"),
        ("https://user@music.test/a.mp3", "user name"),
        ("https://:secret@music.test/a.mp3", "user name"),
        ("https://music.test:8443/a.mp3", "port 8443; expected 443"),
        ("https://music.test:0/a.mp3", "port 0"),
        ("https://music.test:99999/a.mp3", "not a valid address"),
        ("https://music.test:x/a.mp3", "not a valid address"),
        ("https:///a.mp3", "name a server"),
        ("https://music..test/a.mp3", "name a server"),
        ("https://-music.test/a.mp3", "name a server"),
        ("https://" + "a" * 64 + ".test/", "name a server"),
        ("https://music.test\\@10.0.0.1/", "backslash"),
        ("https://music.test/a\r\nHost: evil", "control characters"),
        ("https://[::1", "not a valid address"),
        # What the system's resolver takes for 127.0.0.1 or for an address of one network.
        ("https://2130706433/", "name a server"),
        ("https://0x7f000001/", "name a server"),
        ("https://017700000001/", "name a server"),
        ("https://0177.0.0.1/", "name a server"),
        ("https://127.1/", "name a server"),
        ("https://127.0.0.0x1/", "name a server"),
        ("https://[fe80::1%25eth0]/", "name a server"),
        ("https://[fe80::1%eth0]/", "name a server"),
    ],
)
def test_a_link_that_may_not_be_followed_is_refused_by_its_text(link, complaint):
    with pytest.raises(LastingFault, match=complaint):
        parse_link(link, Rules())


def test_a_link_is_taken_apart_once_and_for_all():
    link = parse_link(" https://Bücher.Example./My Song.mp3?a=b&c#part ", Rules())

    assert (link.host, link.port, link.target) == ("xn--bcher-kva.example", 443, "/My%20Song.mp3?a=b&c")
    assert str(parse_link("https://[2606:4700::0]", Rules())) == "https://[2606:4700::]:443/"
    # Written in other digits it is that address, and judged as such.
    assert parse_link("https://１２７.0.0.1/", Rules()).host == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("cdn.example", True),
        ("CDN.example", True),
        ("eu.cdn.example", False),
        ("music.test", True),
        ("eu.music.test", True),
        ("badmusic.test", False),
        ("music.test.evil", False),
    ],
)
def test_where_servers_are_listed_no_other_is_asked(host, is_allowed):
    rules = Rules(hosts=("cdn.example", ".Music.test"))

    if is_allowed:
        assert parse_link(f"https://{host}/a", rules).host == host.lower()
    else:
        with pytest.raises(LastingFault, match="not among the servers"):
            parse_link(f"https://{host}/a", rules)


# ---- Addresses


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"),
        *("172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1"),
        *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "2606:4700::1%1", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1"),
        *("100::1", "2001:db8::1", "3fff::1", "5f00::1", "64:ff9b:1::1"),
        # Mapped, compatible, translated, NAT64, 6to4, Teredo: IPv4 addresses in IPv6 ones.
        *("::ffff:127.0.0.1", "::ffff:a00:1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::1"),
        *("2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:0:4136:e378:8000:63bf:f5ff:fffe"),
    ],
)
def test_an_address_that_may_lead_into_a_network_of_ours_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.32.0.1", "223.255.255.254"),
        *("2606:4700::1111", "2a00:1450:4001::1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"),
    ],
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["2606:4700::1", "::ffff:127.0.0.1"]])
def test_a_name_with_one_inner_address_is_refused_whatever_the_others_are(answer):
    link = parse_link("https://music.test/", Rules())

    with pytest.raises(LastingFault, match=r"music\.test is not a server on the public internet"):
        addresses_of(link, Rules(), resolve=at(*answer), timeout_s=1)


def test_the_systems_answer_is_judged_too():
    with pytest.raises(LastingFault, match="not a server on the public internet"):
        addresses_of(parse_link("https://localhost/", Rules()), Rules(), resolve=look_up, timeout_s=5)


def test_a_name_that_does_not_exist_may_exist_later(monkeypatch):
    def answer(number):
        def getaddrinfo(*args, **kwargs):
            raise socket.gaierror(number, "so says the name server")

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    answer(socket.EAI_NONAME)
    with pytest.raises(PassingFault, match=r"no server with the name music\.test"):
        look_up("music.test", 443, 1)
    answer(socket.EAI_AGAIN)
    with pytest.raises(PassingFault, match="cannot be looked up at the moment"):
        look_up("music.test", 443, 1)


def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: over.wait(60) and [])

    with pytest.raises(PassingFault, match="cannot be looked up at the moment"):
        look_up("music.test", 443, 0.05)
    over.set()


# ---- Which answers pass


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_some_answers_are_worth_asking_again(status):
    assert isinstance(fault_of(status, {}), PassingFault)
    assert f"({status})" in str(fault_of(status, {}))


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "not a file"), (401, "login"), (403, "refuses"), (404, "is gone"), (410, "is gone"), (418, "not a file")],
)
def test_other_answers_are_final(status, words):
    assert isinstance(fault_of(status, {}), LastingFault)
    assert words in str(fault_of(status, {}))


def test_a_server_says_how_long_to_leave_it_alone_within_limits():
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    in_a_year = format_datetime(datetime.now(UTC) + timedelta(days=365), usegmt=True)

    assert fault_of(503, {"Retry-After": "7"}).retry_after_s == 7
    assert 55 < fault_of(429, {"Retry-After": in_a_minute}).retry_after_s <= 60
    assert fault_of(429, {"Retry-After": in_a_year}).retry_after_s == MAX_RETRY_AFTER_S
    assert fault_of(429, {"Retry-After": "9" * 400}).retry_after_s == MAX_RETRY_AFTER_S
    assert fault_of(429, {"Retry-After": "Mon, 23 Nov 2026 00:00:00 -0000"}).retry_after_s == 0


# ---- A file


def test_a_file_comes_whole_and_nothing_is_left_beside_it(fetch, server, tmp_path):
    server.answers["/My%20Song.mp3?x=%C3%A9"] = lambda answer: answer.send_file(SONG)

    assert fetch("/My Song.mp3?x=é") == SONG
    assert part_files(tmp_path) == {"1.part": SONG}
    (asked,) = server.asked
    assert asked.headers["Host"] == f"previews.test:{server.server_port}"
    assert asked.headers["Accept-Encoding"] == "identity"


def test_a_connection_is_used_again_even_after_a_refusal(rules, server, tmp_path):
    server.otherwise = lambda answer: answer.send_file(SONG)
    server.answers["/gone"] = lambda answer: answer.send(404, b"Not here, sorry.")

    with Downloader(rules(), resolve=SERVER_ITSELF) as downloader:
        downloader.fetch(server.url("/a"), tmp_path / "1.part")
        with pytest.raises(LastingFault, match=r"gone \(404\)"):
            downloader.fetch(server.url("/gone"), tmp_path / "2.part")
        downloader.fetch(server.url("/b"), tmp_path / "3.part")

    assert (len(server.asked), server.n_connections) == (3, 1)


def test_a_kept_connection_that_the_server_closes_in_the_moment_it_is_used_is_no_fault(rules, server, tmp_path):
    def answer_once(answer):
        if hasattr(answer, "has_answered"):  # one Answer serves one connection
            return answer.hang_up()
        answer.has_answered = True
        return answer.send_file(SONG)

    server.otherwise = answer_once
    with Downloader(rules(), resolve=SERVER_ITSELF) as downloader:
        for number in range(3):
            assert downloader.fetch(server.url("/a"), tmp_path / f"{number}.part")

    assert (len(server.asked), server.n_connections) == (5, 3)


def test_proxies_of_the_environment_are_not_asked(fetch, server, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers["/a"] = lambda answer: answer.send_file(SONG)

    assert fetch("/a") == SONG


def test_of_several_addresses_the_first_that_takes_a_connection_serves(rules, server, tmp_path):
    server.answers["/a"] = lambda answer: answer.send_file(SONG)
    allowed = rules(networks=(ip_network("127.0.0.0/8"),))

    with Downloader(allowed, resolve=at("127.0.0.3", "127.0.0.1")) as downloader:
        assert downloader.fetch(server.url("/a"), tmp_path / "1.part")
        assert downloader._addresses["previews.test"] == ["127.0.0.1", "127.0.0.3"]


def test_a_server_that_takes_no_connections_is_a_passing_fault(fetch, server):
    with pytest.raises(PassingFault, match=r"previews\.test does not take connections"):
        fetch("/a", resolve=at("127.0.0.4"), networks=(ip_network("127.0.0.0/8"),))


# ---- Astray


@pytest.mark.parametrize(
    ("location", "complaint"),
    [
        ("https://10.0.0.1:{port}/", "not a server on the public internet"),
        ("https://169.254.169.254:{port}/latest/meta-data/", "not a server on the public internet"),
        ("https://127.0.0.2:{port}/", "not a server on the public internet"),
        ("https://inside.test:{port}/", "not a server on the public internet"),
        ("//127.0.0.2:{port}/", "not a server on the public internet"),
        ("https://0x7f000002:{port}/", "name a server"),
        ("https://previews.test:22/", "port 22"),
        ("http://previews.test:{port}/", "expected https"),
        ("file:///etc/passwd", "expected https"),
        ("https://user:secret@previews.test:{port}/", "user name"),
        ("https://[", "Invalid IPv6 URL"),
    ],
)
def test_a_redirect_is_checked_like_the_link_itself(location, complaint, authority, server, fetch, tmp_path):
    names = {"previews.test": ["127.0.0.1"], "inside.test": ["127.0.0.2"]}
    server.answers["/a"] = lambda answer: answer.send(302, Location=location.format(port=server.server_port))

    with authority.serve("127.0.0.2", port=server.server_port) as inside:
        inside.otherwise = lambda answer: answer.send_file(b"secret")
        with pytest.raises(LastingFault, match=complaint):
            fetch("/a", resolve=lambda host, port, timeout_s: names[host])

    assert inside.n_connections == 0
    assert part_files(tmp_path) == {}


def test_a_redirect_to_another_public_server_is_followed(fetch, server):
    server.answers["/a"] = lambda answer: answer.send(301, b"over there", Location="/b")
    server.answers["/b"] = lambda answer: answer.send(307, Location=server.url("/c", "cdn.test"))
    server.answers["/c"] = lambda answer: answer.send_file(SONG)

    assert fetch("/a") == SONG
    assert server.asked[-1].headers["Host"] == f"cdn.test:{server.server_port}"


def test_a_server_that_leads_in_circles_is_left_after_five_times(fetch, server):
    server.otherwise = lambda answer: answer.send(302, Location="/round")

    with pytest.raises(LastingFault, match="more than 5 times"):
        fetch("/round")
    assert len(server.asked) == 1 + MAX_REDIRECTS


def test_the_address_that_was_checked_is_the_one_connected_to(authority, server, rules, tmp_path):
    """A name server that answers with a public address first and with an inner one ever after."""
    answers = itertools.chain([["127.0.0.1"]], itertools.repeat(["127.0.0.2"]))
    server.otherwise = lambda answer: answer.send(200, SONG, Connection="close")

    with authority.serve("127.0.0.2", port=server.server_port) as inside:
        with Downloader(rules(), resolve=lambda *question: next(answers)) as downloader:
            for number in range(3):  # on a new connection each time
                assert downloader.fetch(server.url("/a"), tmp_path / f"{number}.part")
        # And the later answer, had it been asked for, would have been refused.
        with Downloader(rules(), resolve=lambda *question: next(answers)) as downloader, pytest.raises(LastingFault):
            downloader.fetch(server.url("/a"), tmp_path / "4.part")

    assert (server.n_connections, inside.n_connections) == (3, 0)


def test_another_servers_certificate_is_not_taken(authority, tmp_path):
    # Valid for the address itself: it is the name that counts.
    with authority.serve(names=("other.test", "127.0.0.1")) as server:
        rules = Rules(
            ca_file=str(authority.file),
            ports=frozenset({server.server_port}),
            networks=(ip_network("127.0.0.1"),),
        )
        wrong = pytest.raises(LastingFault, match=r"certificate of previews\.test is not valid")
        with Downloader(rules, resolve=SERVER_ITSELF) as downloader, wrong:
            downloader.fetch(server.url("/a"), tmp_path / "1.part")
    assert server.asked == []


def test_a_certificate_that_nobody_vouches_for_is_not_taken(server, tmp_path):
    rules = Rules(ports=frozenset({server.server_port}), networks=(ip_network("127.0.0.1"),))

    with Downloader(rules, resolve=SERVER_ITSELF) as downloader, pytest.raises(LastingFault, match="certificate"):
        downloader.fetch(server.url("/a"), tmp_path / "1.part")


# ---- Without end


def drip(answer, beginning: bytes) -> None:
    answer.wfile.write(beginning)
    while True:  # until the client hangs up
        answer.wfile.write(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000;",
        b"HTTP/1.1 200 OK\r\nX-Endless: ",
    ],
)
def test_a_server_that_drips_ends_at_the_deadline(beginning, fetch, server):
    server.answers["/a"] = lambda answer: drip(answer, beginning)

    began = time.monotonic()
    with pytest.raises(PassingFault, match="too slow"):
        fetch("/a", total_s=0.4)
    assert time.monotonic() - began < 60  # it would drip for ever


def test_a_server_that_falls_silent_is_not_waited_for(fetch, server):
    over = threading.Event()
    server.answers["/a"] = lambda answer: over.wait(60)

    with pytest.raises(PassingFault, match=r"previews\.test was silent for too long"):
        fetch("/a", read_s=0.2)
    over.set()


def test_a_server_that_takes_connections_and_says_nothing_is_not_waited_for(rules, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        impatient = rules(ports=frozenset({port}), connect_s=0.2)
        with Downloader(impatient, resolve=SERVER_ITSELF) as downloader, pytest.raises(PassingFault, match="silent"):
            downloader.fetch(f"https://previews.test:{port}/a", tmp_path / "1.part")


def test_a_file_without_end_stops_at_the_limit(fetch, server, tmp_path):
    def endless(answer):
        answer.send(200, Content_Length=None, Transfer_Encoding="chunked")
        while True:
            answer.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    server.answers["/a"] = endless

    with pytest.raises(LastingFault, match="larger than 2 MB"):
        fetch("/a", max_bytes=2 * 2**20)
    assert part_files(tmp_path) == {}


def test_a_file_that_says_it_is_too_large_is_not_begun(fetch, server):
    server.answers["/a"] = lambda answer: answer.send(200, b"x", Content_Length=51 * 2**20)

    with pytest.raises(LastingFault, match="larger than 50 MB"):
        fetch("/a")


# ---- Lies


def test_a_file_shorter_than_promised_is_not_taken_for_whole(fetch, server, tmp_path):
    def short(answer):
        answer.send(200, SONG[:1000], Content_Length=len(SONG), ETag='"1"')
        answer.hang_up()

    server.answers["/a"] = short

    with pytest.raises(PassingFault, match="broke off"):
        fetch("/a")
    assert part_files(tmp_path)["1.part"] == SONG[:1000]


def test_of_a_file_longer_than_promised_what_was_promised_is_taken(rules, server, tmp_path):
    server.answers["/long"] = lambda answer: answer.send(200, SONG, Content_Length=1000)
    server.answers["/next"] = lambda answer: answer.send_file(SONG)

    with Downloader(rules(), resolve=SERVER_ITSELF) as downloader:
        downloader.fetch(server.url("/long"), tmp_path / "1.part")
        downloader.fetch(server.url("/next"), tmp_path / "2.part")  # what was too much is not taken for its answer

    assert part_files(tmp_path) == {"1.part": SONG[:1000], "2.part": SONG}


def test_a_packed_file_is_refused_unopened(fetch, server):
    bomb = gzip.compress(bytes(2**24))
    server.answers["/a"] = lambda answer: answer.send(200, bomb, Content_Encoding="gzip")

    with pytest.raises(LastingFault, match=r"packed \(gzip\)"):
        fetch("/a")


@pytest.mark.parametrize(
    ("body", "kind", "complaint"),
    [(b"<html>Sorry", "text/html; charset=utf-8", "web page"), (b"", "audio/mpeg", "empty file")],
)
def test_what_is_no_audio_file_is_named(body, kind, complaint, fetch, server, tmp_path):
    server.answers["/a"] = lambda answer: answer.send(200, body, Content_Type=kind)

    with pytest.raises(LastingFault, match=complaint):
        fetch("/a")
    assert part_files(tmp_path) == {}


# ---- Going on


def break_off(etag: str = '"1"', at: int = 100_000, **headers):
    def answer(answer):
        answer.send(200, SONG[:at], Content_Length=len(SONG), **({"ETag": etag} if etag else {}), **headers)
        answer.hang_up()

    return answer


@pytest.fixture
def broken_off(fetch, server, tmp_path):
    """A first attempt that ended after 100,000 bytes."""

    def attempt(**version):
        server.answers["/a"] = break_off(**version)
        with pytest.raises(PassingFault):
            fetch("/a")
        assert (tmp_path / "1.part").read_bytes() == SONG[:100_000]
        server.asked.clear()

    return attempt


def test_a_download_that_broke_off_goes_on_where_it_was(broken_off, fetch, server, tmp_path):
    broken_off()
    server.answers["/a"] = lambda answer: answer.send_file(SONG)

    assert fetch("/a") == SONG
    assert part_files(tmp_path) == {"1.part": SONG}
    assert (server.asked[0].headers["Range"], server.asked[0].headers["If-Range"]) == ("bytes=100000-", '"1"')


def test_without_a_strong_etag_the_date_names_the_version(broken_off, fetch, server):
    broken_off(etag='W/"1"', Last_Modified="Mon, 23 Nov 2026 00:00:00 GMT")
    server.answers["/a"] = lambda answer: answer.send(
        206, SONG[100_000:], Content_Range=f"bytes 100000-{len(SONG) - 1}/{len(SONG)}"
    )

    assert fetch("/a") == SONG
    assert server.asked[0].headers["If-Range"] == "Mon, 23 Nov 2026 00:00:00 GMT"


def test_a_part_of_an_unnamed_version_is_thrown_away(broken_off, fetch, server):
    broken_off(etag="")
    server.answers["/a"] = lambda answer: answer.send_file(SONG)

    assert fetch("/a") == SONG
    assert "Range" not in server.asked[0].headers


def test_a_part_of_another_version_is_thrown_away(broken_off, fetch, server):
    broken_off()
    server.answers["/a"] = lambda answer: answer.send_file(b"another song", etag='"2"')

    assert fetch("/a") == b"another song"


def test_a_part_that_another_link_has_led_to_is_thrown_away_though_the_version_has_the_same_name(
    broken_off, fetch, server
):
    broken_off()
    server.answers["/mended"] = lambda answer: answer.send_file(SONG[::-1])

    assert fetch("/mended") == SONG[::-1]


def test_a_server_that_knows_no_such_range_is_asked_for_all(broken_off, fetch, server):
    broken_off()
    server.answers["/a"] = lambda answer: (
        answer.send(416) if "Range" in answer.headers else answer.send(200, b"short now", ETag='"1"')
    )

    assert fetch("/a") == b"short now"


@pytest.mark.parametrize(
    ("span", "etag"),
    [("bytes 0-{last}/{size}", '"1"'), ("bytes 100000-{last}/{size}", '"2"'), ("nonsense", '"1"'), ("", '"1"')],
)
def test_a_part_that_does_not_fit_is_not_appended(span, etag, broken_off, fetch, server):
    broken_off()
    headers = {"Content_Range": span.format(last=len(SONG) - 1, size=len(SONG)), "ETag": etag}
    server.answers["/a"] = lambda answer: (
        answer.send(206, SONG[100_000:], **headers) if "Range" in answer.headers else answer.send_file(SONG)
    )

    with pytest.raises(PassingFault, match="another part"):
        fetch("/a")
    assert fetch("/a") == SONG


def test_a_server_that_sends_less_than_what_was_missing_is_asked_for_the_rest(broken_off, fetch, server):
    broken_off()
    server.answers["/a"] = lambda answer: answer.send(
        206, SONG[100_000:150_000], Content_Range=f"bytes 100000-149999/{len(SONG)}", ETag='"1"'
    )
    with pytest.raises(PassingFault, match="only a part"):
        fetch("/a")

    server.answers["/a"] = lambda answer: answer.send_file(SONG)
    assert fetch("/a") == SONG
    assert server.asked[-1].headers["Range"] == "bytes=150000-"


def test_a_file_that_we_have_is_not_sent_again(fetch, server):
    server.answers["/a"] = lambda answer: answer.send_file(SONG)

    assert fetch("/a", known=Version(etag='"1"')) is None
    assert fetch("/a", known=Version(etag='"0"')) == SONG


def test_nobody_asks_for_a_part_that_another_is_writing_to(fetch, server, rules, tmp_path):
    may_end = threading.Event()

    def slow(answer):
        may_end.wait(60)
        answer.send_file(SONG)

    server.answers["/a"] = slow
    first = threading.Thread(target=fetch, args=("/a",), kwargs={"read_s": 60})
    first.start()
    wait_until(lambda: server.asked, what="the first one's question")

    with pytest.raises(PassingFault, match="Another worker"):
        fetch("/a")
    may_end.set()
    first.join()
    assert part_files(tmp_path) == {"1.part": SONG}
