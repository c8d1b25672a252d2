"""Hand a link from task to task as a recipe: it is signed where it is used, so that no signature is ever stored."""

import tempfile
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators import FetchURLOperator, PresignURLOperator

with DAG("links_as_recipes", schedule=None, default_args={"aksk_conn_id": "aksk_default"}):

    @task
    def write_report() -> dict:
        folder = tempfile.mkdtemp()
        Path(folder, "report.csv").write_text("city,people\nBeijing,21893095\n")
        return {"report": f"{folder}/report.csv", "copy": f"{folder}/copy.csv", "by_curl": f"{folder}/by_curl.csv"}

    paths = write_report()
    link = {"key": "recipes/{{ run_id }}.csv", "emit": "recipe", "expires_in": timedelta(minutes=10)}
    put_link = PresignURLOperator(task_id="put_link", method="PUT", headers={"Content-Type": "text/csv"}, **link)
    get_link = PresignURLOperator(task_id="get_link", **link)

    upload = FetchURLOperator(task_id="upload", url=put_link.output, source=paths["report"])
    download = FetchURLOperator(task_id="download", url=get_link.output, target=paths["copy"])

    # In a template macros.aksk.url signs it; the rendered template and the log show *** instead of the link.
    by_curl = BashOperator(
        task_id="by_curl",
        bash_command="""
            echo "fetching $LINK"
            curl --fail --silent --show-error --output "$TARGET" "$LINK" && wc --lines < "$TARGET"
        """,
        env={"LINK": "{{ macros.aksk.url(ti.xcom_pull('get_link')) }}", "TARGET": paths["by_curl"]},
        append_env=True,
    )

    @task
    def in_python(recipe: dict) -> str:
        signed = ObjectStorageHook.sign_recipe(recipe)
        return f"{signed.method}, good until {signed.expires_at:%H:%M}"

    upload >> [download, by_curl, in_python(get_link.output)]
