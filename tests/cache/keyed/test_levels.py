"""The pools of a manager as two levels, beside threads that write to them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tests.cache.pools.pool_twin import LAYOUT, context

from kvzero.cache import ContextBatch, KVCacheManager, KVCachePool, ManagerSettings, PooledLevels


@pytest.mark.parametrize("is_root", [True, False])
def test_no_thread_writes_between_a_look_up_and_its_copy(is_root: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = KVCacheManager(ManagerSettings(layout=LAYOUT, num_simulations=2), 3)
    pool = manager.init_pool(1) if is_root else manager.recur_pool
    pool.set(7, context(5))
    find, could_write = KVCachePool.find, []

    def try_to_write() -> bool:
        is_free = pool.lock.acquire(blocking=False)
        if is_free:
            pool.lock.release()
        return is_free

    def find_and_wait(self: KVCachePool, key: int, *, is_counted: bool) -> int | None:
        slot = find(self, key, is_counted=is_counted)
        with ThreadPoolExecutor(1) as other:
            could_write.append(other.submit(try_to_write).result())
        return slot

    monkeypatch.setattr(KVCachePool, "find", find_and_wait)
    batch = ContextBatch(torch.zeros(1, *LAYOUT.context_shape), np.zeros(1, np.int64))
    PooledLevels(manager).read([1], [7], batch)
    assert could_write == [False]
    assert (batch.keys_values == 5).all()
