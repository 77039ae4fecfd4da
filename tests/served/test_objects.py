"""Tasks whose files are objects in a real S3 service."""

import hashlib
import json
from collections.abc import Callable, Iterator

import httpx
import pytest

pytestmark = pytest.mark.slow

MAKE_OUTPUTS = """
cat /in/one '/in/dir/sub/a b#1%.txt' > /out/both
mkdir -p /out/tree/deep
echo b > '/out/tree/deep/b c#2%.txt'
echo c > /out/c.txt
echo no > /out/c.csv
env
"""


@pytest.fixture
def instance(make_instance: Callable, bucket) -> Iterator:
    endpoint = {
        "name": "lab",
        "url": bucket.url,
        "allow_http": True,
        "buckets": ["jobs"],
        "access_key": {"env": "LAB_ACCESS_KEY"},
        "secret_key": {"env": "LAB_SECRET_KEY"},
    }
    access, secret = bucket.keys
    instance = make_instance(
        JOBYARD_S3__ENDPOINTS=json.dumps([endpoint]),
        LAB_ACCESS_KEY=access,
        LAB_SECRET_KEY=secret,
        AWS_ENDPOINT_URL_S3="http://127.0.0.1:1",  # not asked for, so it does not count
    )
    instance.start()
    return instance


def test_files_directories_and_wildcards_come_from_objects_and_become_objects(instance, bucket) -> None:
    bucket.put("in/dir/sub/a b#1%.txt", b"2")
    task = instance.create(
        inputs=[
            {"path": "/in/one", "url": bucket.put("in/one", b"1")},
            {"path": "/in/dir", "url": "s3://jobs/in/dir", "type": "DIRECTORY"},
        ],
        outputs=[
            {"path": "/out/both", "url": "s3://jobs/out/both"},
            {"path": "/out/tree", "url": "s3://jobs/out/tree", "type": "DIRECTORY"},
            {"path": "/out/*.txt", "path_prefix": "/out", "url": "s3://jobs/out/wild"},
        ],
        volumes=["/out"],
        executors=[{"image": "none", "command": ["sh", "-c", MAKE_OUTPUTS]}],
    )
    ended = instance.wait(task)
    assert ended["state"] == "COMPLETE", ended
    assert bucket.keys_below("out/") == ["out/both", "out/tree/deep/b c#2%.txt", "out/wild/c.txt"]
    assert bucket.get("out/both") == b"12"
    log = ended["logs"][0]
    assert {output["url"]: output["size_bytes"] for output in log["outputs"]} == {
        "s3://jobs/out/both": "2",
        "s3://jobs/out/tree/deep/b c#2%.txt": "2",
        "s3://jobs/out/wild/c.txt": "2",
    }
    assert any(hashlib.sha256(b"12").hexdigest() in line for line in log["system_logs"])
    told = json.dumps(ended) + instance.log.read_text()
    assert not [secret for secret in bucket.keys if secret in told]


def test_a_bucket_that_is_not_configured_ends_a_task_before_its_commands(instance) -> None:
    ended = instance.wait(
        instance.create(
            outputs=[{"path": "/out/x", "url": "s3://elsewhere/x"}],
            executors=[{"image": "none", "command": ["true"]}],
        )
    )
    assert ended["state"] == "SYSTEM_ERROR"
    assert ended["logs"][0]["logs"] == []
    told = "\n".join(ended["logs"][0]["system_logs"])
    assert (
        "s3://elsewhere/x: URL storage not configured: the bucket elsewhere is in no endpoint of [s3]" in told
    )


def test_service_info_lists_the_buckets(instance) -> None:
    storage = httpx.get(f"{instance.tes}/service-info").json()["storage"]
    assert "s3://jobs/" in storage
