import hashlib
import http.server
import threading
from functools import partial

import pooch
import pytest

from empirical.datasets import DatasetNotFound, load
from empirical.datasets.cifar import DOWNLOAD as CIFAR_DOWNLOAD
from empirical.datasets.idx import FASHION_MNIST, MNIST
from empirical.datasets.sources import Download, find


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server on this machine: (folder that it serves, its address, the paths that were asked for)."""
    folder, asked = tmp_path / "served", []
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}", asked
        httpd.shutdown()


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network\nat all")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", refuse)


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_file_is_fetched_once_and_checked(server, own_cache):
    folder, address, asked = server
    (folder / "a.gz").write_bytes(b"content")
    download = Download((f"{address}/a.gz",), sha256(b"content"))
    for _ in range(2):
        path = find("some", ("a", "a.gz"), None, (), download)
        assert path == own_cache / "some" / "a.gz" and path.read_bytes() == b"content"
    assert len(asked) == 1


def test_a_wrong_file_is_not_kept(server, own_cache):
    folder, address, _ = server
    (folder / "a.gz").write_bytes(b"something else")
    with pytest.raises(ValueError, match="^some: found no a.gz, .*not be fetched .not sha256") as error:
        find("some", ("a.gz",), None, (), Download((f"{address}/a.gz",), sha256(b"content")))
    assert "\n" not in str(error.value)
    assert not [path for path in own_cache.rglob("*") if path.is_file()]


def test_the_next_mirror_is_tried(server):
    folder, address, asked = server
    (folder / "good.gz").write_bytes(b"content")
    urls = (f"{address}/missing.gz", f"{address}/good.gz")
    assert find("some", ("a.gz",), None, (), Download(urls, sha256(b"content"))).read_bytes() == b"content"
    assert any("missing" in path for path in asked)


def test_the_users_folder_comes_first(tmp_path, own_cache, no_network):
    for top in (tmp_path / "mine", own_cache / "some"):
        (top / "below").mkdir(parents=True)
        (top / "below" / "a.gz").write_bytes(str(top).encode())
    assert find("some", ("a.gz",), tmp_path / "mine", ("below",), None) == tmp_path / "mine" / "below" / "a.gz"
    assert find("some", ("a.gz",), None, ("below",), None) == own_cache / "some" / "below" / "a.gz"


def test_every_download_is_encrypted_and_checked_by_sha256():
    downloads = [CIFAR_DOWNLOAD, *MNIST.downloads.values(), *FASHION_MNIST.downloads.values()]
    assert len(downloads) == 9
    for urls, checksum in downloads:
        assert all(url.startswith("https://") for url in urls)
        assert checksum.startswith("sha256:") and len(checksum) == 71


@pytest.mark.parametrize("name, file", [("mnist", "train-images-idx3-ubyte.gz"), ("cifar10", "cifar-10-python.tar.gz")])
def test_without_a_network_one_line_says_what_to_put_where(own_cache, no_network, name, file):
    with pytest.raises(DatasetNotFound) as error:
        load(name)
    message = str(error.value)
    assert message.startswith(f"{name}: found no {file}, want it in --data-dir or in {own_cache}/{name}; ")
    assert "could not be fetched (OSError at https://" in message and "\n" not in message
