"""What actors did is added up until it is read, and told of each and of all."""

from kvzero.training.distributed.work import WorkFigures


def test_work_is_added_up_by_actor_and_begins_anew_once_it_was_read():
    work = WorkFigures("miner", "stones")
    work.note_work(1, 6, busy_seconds=2.0, idle_seconds=0.5, rss_bytes=70)
    work.note_work(0, 5, busy_seconds=1.0, idle_seconds=0.0, rss_bytes=50)
    work.note_work(1, 4, busy_seconds=3.0, idle_seconds=0.25, rss_bytes=60)
    work.note_wait(0.5)
    work.note_wait(1.5)
    assert (work.amount, work.busy_seconds) == (15, 6.0)
    assert work.read([1, 2]) == {
        "miners/learner_idle_seconds": 2.0,
        "miners/restarts": 3.0,
        "miner/0/stones_per_second": 5.0,
        "miner/0/idle_seconds": 0.0,
        "miner/0/rss_bytes": 50.0,
        "miner/0/restarts": 1.0,
        "miner/1/stones_per_second": 2.0,
        "miner/1/idle_seconds": 0.75,
        "miner/1/rss_bytes": 60.0,
        "miner/1/restarts": 2.0,
    }
    assert (work.amount, work.busy_seconds) == (0, 0)
    assert work.read([1, 2]) == {"miners/learner_idle_seconds": 0.0, "miners/restarts": 3.0}
