"""A cluster tells of itself before it is joined, or is refused in a sentence, and soon."""

import socket
from threading import Thread

import pytest

from kvzero.errors import ClusterError
from kvzero.training.distributed.cluster.probe import probe

pytest.importorskip("ray")
from tests.training.distributed.cluster.fakes import NODES, TOKEN, FakeHead, serving


def ask(address, token=TOKEN):
    return probe(address, token=token, seconds=2.0)


@pytest.mark.parametrize("theirs", [TOKEN, None])
def test_a_cluster_says_whether_it_asks_for_a_token_and_what_it_is(theirs):
    with serving(FakeHead(token=theirs, ray_version="2.0.0", python_version="3.7.1")) as address:
        facts = ask(address)
    assert facts.asks_token == (theirs is not None)
    assert (facts.ray_version, facts.python_version) == ("2.0.0", "3.7.1")
    assert facts.node_hosts == {NODES[0].hex(): "127.0.0.1"}, "a node that is not there any more is none"


@pytest.mark.parametrize(("ours", "said"), [(None, "there is none"), ("another", "this user's is another")])
def test_who_has_no_token_or_another_is_told_where_to_put_it(ours, said):
    with serving(FakeHead()) as address, pytest.raises(ClusterError, match=f"{said}; bring .* as RAY_AUTH_TOKEN"):
        ask(address, ours)


def test_no_token_is_shown_to_a_cluster_that_asks_for_none():
    class Curious(FakeHead):
        def allow(self, context):
            assert "authorization" not in dict(context.invocation_metadata())

    with serving(Curious()) as address:
        assert not ask(address).asks_token


def test_an_address_where_nobody_listens_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ClusterError, match=f"no Ray answers at {address}"):
        ask(address)


def test_another_program_that_has_the_port_is_no_ray():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def be_a_web_server():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = Thread(target=be_a_web_server)
        thread.start()
        with pytest.raises(ClusterError, match="no other program has its port"):
            ask(f"127.0.0.1:{listener.getsockname()[1]}")
        thread.join()


def test_a_host_that_takes_calls_and_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ClusterError, match="no Ray answers"):
        probe(f"127.0.0.1:{listener.getsockname()[1]}", token=None, seconds=0.3)
