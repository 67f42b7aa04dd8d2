"""The file is stronger than the environment, flags are stronger than both, and each refuses what it does not know."""

from pathlib import Path

import pytest

from rondo_services.server.configuration import read_configuration
from rondo_services.server.settings import ServerSettings
from rondo_services.server.settings_sources import SettingsError

pytestmark = pytest.mark.usefixtures("without_variables")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rondo.toml"


def test_the_order_of_the_sources(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text("port = 2\nthreads = 2\n")
    for name in ("port", "threads", "max_waiting"):
        monkeypatch.setenv(f"RONDO_{name.upper()}", "3")
    monkeypatch.setenv("RONDO_CONFIG", str(file))
    found = read_configuration(port=1, bundle=None)
    settings = found.settings
    assert (settings.port, settings.threads, settings.max_waiting, settings.batch_rows) == (1, 2, 3, 4)
    assert found.origins["port"] == ("flag", f"file {file}", "environment RONDO_PORT")
    assert [found.origin(name) for name in ("threads", "max_waiting", "batch_rows", "config")] == [
        f"file {file}",
        "environment RONDO_MAX_WAITING",
        "default",
        "environment RONDO_CONFIG",
    ]
    assert ServerSettings(port=1) == settings


def test_a_flag_names_another_file_than_the_environment(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text("port = 2\n")
    monkeypatch.setenv("RONDO_CONFIG", "/of/nobody")
    assert read_configuration(config=file).settings.port == 2
    with pytest.raises(FileNotFoundError, match="/of/nobody is no file"):
        read_configuration()


def test_paths_in_a_file_start_at_its_folder(
    monkeypatch: pytest.MonkeyPatch, file: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file.write_text('bundle = "bundles/own"\ndata = "/data"\nssl_keyfile = "~/key.pem"\nfiles_url = "s3://bucket"\n')
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    settings = read_configuration(config=file).settings
    assert (settings.bundle, settings.data) == (file.parent / "bundles/own", Path("/data"))
    assert settings.ssl_keyfile == Path.home() / "key.pem"
    assert settings.files_url == "s3://bucket"


def test_lists_in_a_file(file: Path) -> None:
    file.write_text('services = ["sentiment", "translation"]\ncors_origins = "https://a.test, https://b.test"\n')
    settings = read_configuration(config=file).settings
    assert settings.services == "sentiment,translation"
    assert settings.origins == ["https://a.test", "https://b.test"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max_wating = 3", "max_wating is no setting; did you mean max_waiting"),
        ("max-waiting = 3", "max-waiting is no setting; did you mean max_waiting"),
        ("PORT = 3", "PORT is no setting; did you mean port"),
        ("zzzzzz = 3", "zzzzzz is no setting; known are access_log, batch_rows, "),
        ("[server]\nport = 3", "server is no setting; .*; settings stand in no table"),
        ('config = "other.toml"', "config can't be set here"),
        ("\nport = x", "is no TOML: Invalid value .*line 2"),
        ("port = 70000", "port: input should be less than or equal to 65535, not 70000"),
        ("port = true", "port: a number is wanted, not True"),
        ("timeout_s = true", "timeout_s: a number is wanted, not True"),
        ("port = 8000.0", "port: a whole number is wanted, not 8000.0"),
        ("services = [1]", r"services: input should be a valid string, not \[1\]"),
        ('cors_origins = ["shop"]', "cors_origins: an origin is like https://shop.example .*, not 'shop'"),
    ],
)
def test_what_a_file_may_not_say(file: Path, content: str, message: str) -> None:
    file.write_text(content)
    with pytest.raises(SettingsError, match=rf"^file {file}.*{message}"):
        read_configuration(config=file)


def test_a_file_that_is_no_text(file: Path) -> None:
    file.write_bytes(b'host = "\xff"')
    with pytest.raises(SettingsError, match="is no TOML"):
        read_configuration(config=file)


def test_an_unknown_variable_is_refused_and_its_value_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_STATE_KYE", "of-the-house")
    with pytest.raises(SettingsError, match="RONDO_STATE_KYE is no setting; did you mean RONDO_STATE_KEY") as refusal:
        read_configuration()
    assert "of-the-house" not in str(refusal.value)
    with pytest.raises(SettingsError):
        ServerSettings()


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(SettingsError, match="flags: thread is no setting; did you mean threads"):
        read_configuration(thread=2)


def test_variables_of_other_commands_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_SERVER", "http://rondo.test")
    monkeypatch.setenv("RONDO_API_KEY", "key")
    assert read_configuration().origins == {}


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty RONDO_DATA once meant the folder that the server was started in."""
    for name in ("RONDO_DATA", "RONDO_THREADS", "PORT"):
        monkeypatch.setenv(name, "")
    assert read_configuration().origins == {}


def test_host_and_port_have_two_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("PORT", "9000")
    found = read_configuration()
    assert (found.settings.host, found.settings.port, found.origin("port")) == ("0.0.0.0", 9000, "environment PORT")
    for name in ("RONDO_PORT", "rondo_port"):
        monkeypatch.setenv(name, "9001")
        found = read_configuration()
        assert (found.settings.port, found.origin("port")) == (9001, "environment RONDO_PORT")
        monkeypatch.delenv(name)


def test_a_service_called_rondo_in_kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says of a service's address is not the port to listen on."""
    for name, value in {
        "RONDO_SERVICE_HOST": "10.0.0.1",
        "RONDO_SERVICE_PORT": "8000",
        "RONDO_SERVICE_PORT_HTTP": "8000",
        "RONDO_PORT": "tcp://10.0.0.1:8000",
        "RONDO_PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "RONDO_PORT_8000_TCP_PROTO": "tcp",
        "RONDO_PORT_8000_TCP_PORT": "8000",
        "RONDO_PORT_8000_TCP_ADDR": "10.0.0.1",
        "RONDO_SERVER_PORT": "tcp://[fd00::1]:8000",
        "PORT": "9000",
    }.items():
        monkeypatch.setenv(name, value)
    found = read_configuration()
    assert (found.settings.port, found.origins) == (9000, {"port": ("environment PORT",)})
    monkeypatch.setenv("RONDO_PORT", "10.0.0.1:8000")
    with pytest.raises(SettingsError, match=r"environment RONDO_PORT: port: .* not '10.0.0.1:8000'"):
        read_configuration()
    monkeypatch.setenv("RONDO_PORT", "9001")
    monkeypatch.setenv("RONDO_SERVICES_PORT", "9001")
    with pytest.raises(SettingsError, match="RONDO_SERVICES_PORT is no setting"):
        read_configuration()


def test_what_is_wrong_names_each_source(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text('threads = "many"\n')
    monkeypatch.setenv("RONDO_GRACE_S", "-1")
    with pytest.raises(SettingsError) as refusal:
        read_configuration(config=file, port=-1)
    told = str(refusal.value)
    assert "flag: port: input should be greater than or equal to 0, not -1" in told
    assert f"file {file}: threads: input should be a valid integer" in told
    assert "environment RONDO_GRACE_S: grace_s: input should be greater than or equal to 0, not '-1'" in told


@pytest.mark.parametrize("name", ["state_key", "ssl_keyfile_password", "database_url"])
def test_a_secret_of_the_wrong_kind_is_not_told(file: Path, name: str) -> None:
    file.write_text(f"{name} = 123456\n")
    with pytest.raises(SettingsError, match=name) as refusal:
        read_configuration(config=file)
    assert "123456" not in str(refusal.value)


@pytest.mark.parametrize(
    "origin",
    ["https://*.shop.test", "https://Shop.test", "https://shop.test:443", "http://shop.test:80", "https://",
     "https://shop.test/", "https://me@shop.test"],
)  # fmt: skip
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    with pytest.raises(SettingsError, match="cors_origins: an origin is like"):
        read_configuration(cors_origins=origin)


def test_origins_as_browsers_send_them() -> None:
    origins = ["https://shop.test", "http://localhost:3000", "http://[::1]:80001"]
    assert read_configuration(cors_origins=",".join(origins)).settings.origins == origins


def test_folders_in_variables_may_begin_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RONDO_STATE_DIR", "~/state")
    monkeypatch.setenv("RONDO_BUNDLES", "second=~/second")
    settings = read_configuration().settings
    assert settings.state_dir == tmp_path / "state"
    assert settings.bundles == {"second": tmp_path / "second"}


def test_a_home_that_nobody_has_is_told_with_its_setting(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """It was a traceback."""
    monkeypatch.setenv("RONDO_BUNDLES", "second=~nobody-of-that-name/second")
    with pytest.raises(SettingsError, match="environment RONDO_BUNDLES: bundles: there is no home for the ~ of"):
        read_configuration()
    monkeypatch.delenv("RONDO_BUNDLES")
    file.write_text('ssl_keyfile = "~nobody-of-that-name/key.pem"\n')
    with pytest.raises(SettingsError, match=f"file {file}: ssl_keyfile: there is no home for the ~ of"):
        read_configuration(config=file)
    path = "~nobody-of-that-name/x"
    with pytest.raises(SettingsError, match=f"^flag: bundle: there is no home for the ~ of '{path}'; give a path that"):
        read_configuration(bundle=Path(path))
    with pytest.raises(SettingsError, match=r"^config: there is no home for the ~ of"):
        read_configuration(config=path)


def test_the_file_that_a_variable_names_may_be_at_home(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text("port = 2\n")
    monkeypatch.setenv("HOME", str(file.parent))
    monkeypatch.setenv("RONDO_CONFIG", f"~/{file.name}")
    assert read_configuration().settings.port == 2
