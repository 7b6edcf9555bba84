"""A change in any kernel source empties the cache of compiled code."""

from types import SimpleNamespace

from theory._kernels.cache import drop_stale


def test_changed_sources_drop_the_compiled_code(tmp_path):
    sources, cache = tmp_path / "sources", tmp_path / "cache"
    sources.mkdir()
    cache.mkdir()
    (sources / "inner.py").write_text("a = 1")
    kernel = SimpleNamespace(stats=SimpleNamespace(cache_path=str(cache)), __module__="theory.made_up", __name__="scan")
    drop_stale([kernel], sources)
    compiled = [cache / "made_up.scan-12.py311.nbi", cache / "made_up.scan-12.py311.1.nbc"]
    others = cache / "made_up.scan_more-12.py311.nbi"
    for file in (*compiled, others):
        file.write_text("code")
    drop_stale([kernel], sources)
    assert all(file.exists() for file in compiled)
    (sources / "inner.py").write_text("a = 2")
    drop_stale([kernel], sources)
    assert not any(file.exists() for file in compiled)
    assert others.exists()
    compiled[0].write_text("code")
    drop_stale([kernel], sources)
    assert compiled[0].exists()
