"""The rules of the settings themselves."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from jobyard.settings import Engine, Files, Local, Server, Settings, is_loopback, split_address


def test_defaults_are_valid_and_on_loopback():
    host, _ = split_address(Settings().server.listen)
    assert is_loopback(host)


@pytest.mark.parametrize(
    "listen,host,port",
    [("127.0.0.1:8080", "127.0.0.1", 8080), ("[::1]:0", "::1", 0), ("localhost:65535", "localhost", 65535)],
)
def test_an_address_is_a_host_and_a_port(listen, host, port):
    assert split_address(Server(listen=listen).listen) == (host, port)


@pytest.mark.parametrize(
    "listen", ["8080", ":8080", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", "::1:8080", "", "[]:1"]
)
def test_what_is_no_address_is_refused(listen):
    with pytest.raises(ValidationError, match=r"HOST:PORT|brackets"):
        Server(listen=listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "192.168.1.5:80", "example.org:80"])
def test_other_addresses_than_loopback_need_the_word_insecure(listen):
    with pytest.raises(ValidationError, match="nobody has to log in"):
        Server(listen=listen)
    assert Server(listen=listen, insecure=True).listen == listen


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_what_only_this_machine_reaches(host):
    assert is_loopback(host)


@pytest.mark.parametrize("text,seconds", [("90", 90), (90, 90), (0.5, 0.5), ("PT1M30S", 90), ("P1D", 86400)])
def test_durations_are_seconds_or_iso_8601(text, seconds):
    assert Engine(poll_interval=text).poll_interval == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["soon", "1h", "inf", "nan", "", []])
def test_other_durations_are_refused_saying_what_to_write(text):
    with pytest.raises(ValidationError, match="a number of seconds"):
        Engine(poll_interval=text)


def test_intervals_have_a_length_and_delays_need_none():
    with pytest.raises(ValidationError, match="too short"):
        Engine(poll_interval=0)
    assert Local(kill_grace=0).kill_grace == timedelta(0)
    with pytest.raises(ValidationError, match="too short"):
        Local(kill_grace=-1)


def test_the_first_delay_is_not_longer_than_the_longest():
    with pytest.raises(ValidationError, match="retry_delay_max"):
        Engine(retry_delay=60, retry_delay_max=30)


def test_file_roots_are_absolute_and_may_be_in_the_home_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert Files(roots=["~/data"]).roots == (Path("/home/me/data"),)
    with pytest.raises(ValidationError, match="absolute"):
        Files(roots=["data"])
    with pytest.raises(ValidationError, match="home directory"):
        Files(roots=["~nobody-of-this-name/data"])


def test_unknown_keys_are_refused():
    with pytest.raises(ValidationError):
        Settings.model_validate({"server": {"lisen": "127.0.0.1:1"}})


def test_every_setting_says_what_it_means():
    undocumented = [
        f"{section}.{name}"
        for section in Settings.model_fields
        for name, field in type(getattr(Settings(), section)).model_fields.items()
        if not field.description
    ]
    assert undocumented == []
