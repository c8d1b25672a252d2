"""DAGs that make links, hand them on and use them in every way there is, failures too. Run by the tests of secrets."""

import logging

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators import FetchURLOperator, PresignURLOperator

log = logging.getLogger("airflow.task")
LATE = {"trigger_rule": "all_done"}
LINK = "{{ macros.aksk.url(ti.xcom_pull('get')) }}"
#: the tasks that fail, and the files that a run leaves in its folder
FAILING = {"not_there", "refused", "use"}
FILES = {"file", "down", "text", "dumped", "each0", "each1"}
FILES_OF_TEMPLATES = {"macro", "shell"}


def use(link: dict, shout: bool) -> None:
    if "aksk_recipe" not in link:
        raise ValueError(", ".join(link))
    signed = ObjectStorageHook.sign_recipe(link)
    log.info("%r", signed)
    if shout:  # for workers, whose logs are masked
        log.info("shouting %s", signed.url)
        print(signed.url)
        raise ValueError(signed.url)
    raise ValueError(f"{signed!r}")


def links(emit: str) -> None:
    made = {"key": "leaks/links", "emit": emit}
    put = PresignURLOperator(task_id="put", method="PUT", headers={"Content-Type": "text/plain"}, **made)
    get = PresignURLOperator(task_id="get", **made)
    many = PresignURLOperator(task_id="many", key=["leaks/links", "leaks/links"], emit=emit)
    missing = PresignURLOperator(task_id="missing", key="leaks/no", emit=emit)

    folder = "{{ params.folder }}"
    up = FetchURLOperator(task_id="up", url=put.output, source=f"{folder}/file")
    down = FetchURLOperator(task_id="down", url=get.output, target=f"{folder}/down")
    text = FetchURLOperator(task_id="text", url="{{ ti.xcom_pull('get') }}", target=f"{folder}/text")
    dumped = FetchURLOperator(task_id="dumped", url="{{ ti.xcom_pull('get') | tojson }}", target=f"{folder}/dumped")
    each = FetchURLOperator.partial(task_id="each", target=folder + "/each{{ ti.map_index }}").expand(url=many.output)
    not_there = FetchURLOperator(task_id="not_there", url=missing.output, target=f"{folder}/no", **LATE)
    refused = FetchURLOperator(task_id="refused", url=get.output, source=f"{folder}/file", **LATE)
    last = task(use, **LATE)(get.output, "{{ params.shout or '' }}")
    [put, get, many, missing] >> up >> [down, text, dumped, each] >> not_there >> refused >> last
    if emit == "recipe":
        by_macro = FetchURLOperator(task_id="by_macro", url=LINK, target=f"{folder}/macro")
        loud = f"{{% if params.shout %}} echo shouting '{LINK}'; {{% endif %}}"
        by_shell = BashOperator(
            task_id="by_shell",
            env={"LINK": LINK},
            bash_command=f'{loud} curl -fs "$LINK" > {folder}/shell',
            append_env=True,
            do_xcom_push=False,  # it would be the last line that was printed
        )
        up >> [by_macro, by_shell] >> not_there


for kind in ("recipe", "url"):
    with DAG(f"links_as_{kind}", schedule=None, params={"folder": "", "shout": False}):
        links(kind)
