"""A LightZero config as for one agent on several games: a list of pairs of configs, longer than a screen."""

from easydict import EasyDict


def one_task(number, env_id):
    main = EasyDict(dict(env=dict(env_id=env_id), policy=dict(task_id=number, task_num=9, model=dict(num_channels=64))))
    return [number, [main, EasyDict(dict(policy=dict(type="unizero_multitask")))]]


games = [
    f"ALE/{name}-v5" for name in ("Pong", "Boxing", "Alien", "Hero", "Qbert", "Krull", "Amidar", "Assault", "Jamesbond")
]
if __name__ == "__main__":
    from ding.utils import DDPContext
    from lzero.entry import train_unizero_multitask_segment_ddp

    with DDPContext():
        train_unizero_multitask_segment_ddp([one_task(*task) for task in enumerate(games)], seed=0, max_env_step=9)
