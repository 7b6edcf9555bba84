"""Files are whole or as they were, whatever fails, whoever shares the folder and whatever lies in wait there."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from empirical.atomic import atomic_file, remove_leftovers, write_bytes, write_text

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["old", None])
def path(request, tmp_path):
    """A file that is to be replaced, or one that is not there yet."""
    path = tmp_path / "file.json"
    if request.param:
        path.write_text(request.param)
    return path


def content(folder):
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_the_file_is_replaced(path):
    write_text(path, "new å")
    assert path.read_text(encoding="utf-8") == "new å" and len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("name", ["fsync", "replace", "open"])
def test_a_failed_call_leaves_the_folder_as_it_was(path, monkeypatch, name, number):
    before = content(path.parent)

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(OSError) as error:
            write_bytes(path, b"new")
    assert error.value.errno == number and content(path.parent) == before
    write_bytes(path, b"new")
    assert content(path.parent) == {"file.json": "new"}


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), MemoryError()])
def test_a_failed_write_leaves_the_folder_as_it_was(path, failure):
    before = content(path.parent)
    with pytest.raises(type(failure)), atomic_file(path) as file:
        file.write(b"half")
        raise failure
    assert content(path.parent) == before


def test_a_folder_that_cannot_be_synced_fails_no_write(path, monkeypatch):
    """Windows opens no folders, some network drives sync none."""
    sync = os.fsync

    def files_only(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, "not a file")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    write_bytes(path, b"new")
    assert content(path.parent) == {"file.json": "new"}


def test_only_writable_descriptors_are_synced(path, monkeypatch):
    """On Windows fsync of one that is open for reading fails."""
    import fcntl

    synced = []

    def remember(descriptor):
        if os.path.isfile(f"/proc/self/fd/{descriptor}"):
            synced.append(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE)

    monkeypatch.setattr(os, "fsync", remember)
    write_bytes(path, b"new")
    assert synced == [os.O_RDWR]


def test_the_file_and_then_its_folder_are_synced(path, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    write_bytes(path, b"new")
    assert len(calls) == 2 and calls[0].endswith(".tmp.json") and calls[1] == str(path.parent)


def test_a_planted_link_is_not_followed(path, tmp_path_factory, monkeypatch):
    """Also where the temporary name is foreseen: the write fails, the link's target stays."""
    target = tmp_path_factory.mktemp("elsewhere") / "target"
    target.write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda n: "00" * n)
    (path.parent / f".file.{'00' * 8}.tmp.json").symlink_to(target)
    with pytest.raises(FileExistsError):
        write_bytes(path, b"new")
    assert target.read_text() == "precious"
    monkeypatch.undo()
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    write_bytes(path, b"new")
    assert target.read_text() == "precious" and path.read_text() == "new" and not path.is_symlink()


def test_processes_of_one_number_do_not_collide(tmp_path, monkeypatch):
    """Two containers that share a folder: the same process id, the same file, at the same time."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    together, failures = threading.Barrier(8), []

    def work(letter):
        together.wait()
        try:
            for _ in range(20):
                write_text(tmp_path / "file", letter * 1000)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    found = (tmp_path / "file").read_text()
    assert len(found) == 1000 and len(set(found)) == 1 and len(list(tmp_path.iterdir())) == 1


def test_a_new_file_has_the_permissions_that_the_user_has_set(tmp_path):
    code = ("import os, sys; from empirical.atomic import write_text\n"
            "os.umask(0o027); write_text(sys.argv[1], 'x'); print(oct(os.stat(sys.argv[1]).st_mode & 0o777))")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], capture_output=True, text=True,
                          cwd=ROOT)
    assert done.stdout.strip() == "0o640", done.stderr


def test_long_names(tmp_path):
    name = "n" * 240 + ".json"
    write_text(tmp_path / name, "x")
    assert (tmp_path / name).read_text() == "x"


def test_leftovers_of_killed_processes_are_removed_when_they_are_old(tmp_path):
    code = ("import os, sys; from empirical.atomic import atomic_file\n"
            "with atomic_file(sys.argv[1]): os.kill(os.getpid(), 9)")
    for name in ("a.json", "b"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], cwd=ROOT)
    mine = [tmp_path / name for name in (".hidden", ".a.tmp.json", "file.0123456789abcdef.tmp")]
    for file in mine:
        file.write_text("mine")
    left = [file for file in tmp_path.iterdir() if file not in mine]
    assert len(left) == 2
    remove_leftovers(tmp_path)
    assert set(tmp_path.iterdir()) == {*mine, *left}
    for file in [*mine, left[0]]:
        os.utime(file, (time.time() - 10**6,) * 2)
    remove_leftovers(tmp_path)
    assert set(tmp_path.iterdir()) == {*mine, left[1]}
