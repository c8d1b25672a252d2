"""Use the hook in TaskFlow: whatever the operators do not cover is a method away."""

import csv
import io
import json
from datetime import timedelta

from airflow.sdk import DAG, task

from aksk_provider.hooks.object_storage import ObjectStorageHook

with DAG("taskflow_hook", schedule=None):

    @task
    def extract(run_id: str) -> str:
        hook = ObjectStorageHook("aksk_default")
        info = hook.upload(b"city,visitors\nBeijing,3\nShanghai,4\n", f"raw/{run_id}.csv", content_type="text/csv")
        return info.uri

    @task
    def transform(raw: str) -> dict:
        hook = ObjectStorageHook("aksk_default")
        with hook.open(raw) as stream:  # reads as it downloads; sizes and checksums are compared at the end
            rows = list(csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8")))
        result = {row["city"]: int(row["visitors"]) for row in rows}
        hook.upload(json.dumps(result).encode(), f"clean/{raw.rpartition('/')[2]}.json")
        return result

    @task
    def publish(raw: str) -> dict:
        hook = ObjectStorageHook("aksk_default")
        name = raw.rpartition("/")[2] + ".json"
        published = hook.copy(f"clean/{name}", f"public/{name}")
        hook.delete([raw, f"clean/{name}"])
        link = hook.presign(published.key, expires_in=timedelta(days=1))  # a link is a secret: do not return it
        assert not hook.exists(raw)
        return {"uri": published.uri, "size": hook.head(published.uri).size, "link_until": link.expires_at.isoformat()}

    raw = extract()
    transform(raw) >> publish(raw)
