"""A DAG with names in Chinese and long results, for the tests of the UI."""

from airflow.sdk import DAG

from aksk_provider.operators import PresignURLOperator, UploadObjectOperator

with DAG("monthly_reports", schedule=None, params={"folder": "/nowhere"}):
    upload = UploadObjectOperator(
        task_id="upload", source="{{ params.folder }}", key="报表/", metadata={"author": "财务部"}
    )
    links = PresignURLOperator(task_id="links", key=[f"报表/月报 {number}.csv" for number in range(1, 41)])
    missing = PresignURLOperator(task_id="not_configured", key="报表/月报 1.csv", aksk_conn_id="aksk_missing")
    upload >> [links, missing]
