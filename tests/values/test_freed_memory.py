"""Freed memory: how many arenas the C library makes for threads."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from metabt.values.freed_memory import give_back, share

ARENAS = """
import ctypes, sys, tempfile
from threading import Barrier, Thread
from metabt.values.freed_memory import share

if sys.argv[1] == "shared":
    assert share()
together, libc = Barrier(4), ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p

def allocate():
    together.wait()  # all are there at once, or one could take over from another
    libc.malloc(ctypes.c_size_t(100_000))
    together.wait()

threads = [Thread(target=allocate) for _ in range(4)]
for it in threads:
    it.start()
for it in threads:
    it.join()
with tempfile.NamedTemporaryFile() as file:
    told = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    assert libc.malloc_info(0, told) == 0
    libc.fclose(told)
    print(open(file.name).read().count("<heap "))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no arenas")
def test_threads_share_one_arena() -> None:
    found = {}
    for how in ("apart", "shared"):
        done = subprocess.run([sys.executable, "-c", ARENAS, how], capture_output=True, text=True, check=True)
        found[how] = int(done.stdout)
    assert found["shared"] == 1 < found["apart"]


def test_where_the_c_library_cannot_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def __init__(self, name: None) -> None:
            raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", Other)
    share.cache_clear()
    try:
        give_back()
        assert share() is False
    finally:
        share.cache_clear()
