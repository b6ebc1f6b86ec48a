"""Arena's tables, to the space."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tidegate.cli.arena.change import changed_documents
from tidegate.cli.arena.jobs import Job, one_job
from tidegate.cli.arena.options import Options
from tidegate.cli.arena.show import as_output, job_text, job_values, list_table, short_age
from tidegate.cli.arena.types import type_named
from tidegate.cli.errors import Usage
from tidegate.cli.main import guarded

MADE = "2026-01-01T00:00:00Z"
NOW_S = 1767225600 + 19.0


def pod(name: str, **limits: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "creationTimestamp": MADE},
        "spec": {"nodeName": "this", "containers": [{"resources": {"limits": limits}}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"ready": True, "restartCount": 0}],
        },
    }


def deployment(**status: int) -> dict[str, Any]:
    containers = [{"name": "serving", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "b", "namespace": "default", "creationTimestamp": MADE, "uid": "u"},
        "spec": {"replicas": 1, "template": {"metadata": {}, "spec": {"containers": containers}}},
        "status": status,
    }


def bert() -> Job:
    running = deployment(replicas=1, availableReplicas=1)
    ports = [{"name": "grpc-serving", "port": 8500}, {"name": "http-serving", "port": 8501}]
    return Job(
        name="bert-tfserving",
        namespace="default",
        version="202207181536",
        type=type_named("tf"),
        object=running,
        deployments=(running,),
        services=({"spec": {"clusterIP": "172.16.52.170", "ports": ports}},),
        pods=(pod("bert-1", **{"nvidia.com/gpu": "1"}),),
    )


def iris() -> Job:
    running = deployment(replicas=1, availableReplicas=1)
    obj = {
        "metadata": {"name": "sklearn-iris", "creationTimestamp": MADE},
        "status": {"url": "http://sklearn-iris-default.example.com"},
    }
    return Job(
        name="sklearn-iris",
        namespace="default",
        version="1",
        type=type_named("kserve"),
        object=obj,
        deployments=(running,),
        services=(),
        pods=(pod("sklearn-iris-predictor-7d9f6b8c5-x2x9p"),),
    )


def test_the_list_is_the_seeds_own():
    assert list_table([bert()], all_namespaces=False) == (
        "NAME            TYPE        VERSION       DESIRED  AVAILABLE  ADDRESS        PORTS                   GPU\n"
        "bert-tfserving  Tensorflow  202207181536  1        1          172.16.52.170  GRPC:8500,RESTFUL:8501  1\n"
    )


def test_without_gpus_there_is_no_column_for_them_and_all_namespaces_show_theirs():
    head, row = list_table([iris()], all_namespaces=True).splitlines()
    assert head.split() == [
        "NAMESPACE",
        "NAME",
        "TYPE",
        "VERSION",
        "DESIRED",
        "AVAILABLE",
        "ADDRESS",
        "PORTS",
    ]
    assert row.split()[:4] == ["default", "sklearn-iris", "KServe", "1"]


def test_get_shows_the_facts_and_the_instances():
    assert job_text(iris(), NOW_S) == (
        "Name:       sklearn-iris\n"
        "Namespace:  default\n"
        "Type:       KServe\n"
        "Version:    1\n"
        "Desired:    1\n"
        "Available:  1\n"
        "Age:        19s\n"
        "Address:    http://sklearn-iris-default.example.com\n"
        "Port:       :80\n"
        "\n"
        "Instances:\n"
        "  NAME                                    STATUS   AGE  READY  RESTARTS  NODE\n"
        "  ----                                    ------   ---  -----  --------  ----\n"
        "  sklearn-iris-predictor-7d9f6b8c5-x2x9p  Running  19s  1/1    0         this\n"
        "\n"
    )


def test_ages_are_short():
    obj = {"metadata": {"creationTimestamp": MADE}}
    began_s = NOW_S - 19
    shown = [short_age(obj, began_s + s) for s in (0, 59, 180, 7200, 5 * 86400, 400 * 86400)]
    assert shown == ["0s", "59s", "3m", "2h", "5d", "1y"]


def test_json_counts_what_the_instances_ask_for():
    values = job_values(bert(), NOW_S)
    assert as_output(values["instances"][0]["requestGPUs"], "json") == "1"
    assert [e["port"] for e in values["endpoints"]] == [8500, 8501]


def test_json_has_the_words_of_the_table_for_ports_and_what_all_replicas_ask_for():
    job = bert()
    job.object["spec"]["replicas"] = 3
    job.object["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1500m"
    values = job_values(job, NOW_S)
    assert [e["name"] for e in values["endpoints"]] == ["GRPC", "RESTFUL"]
    assert (values["requestCPUs"], values["requestGPUs"]) == (6, 3)
    assert job_values(iris(), NOW_S)["endpoints"] == [{"name": "", "port": 80, "nodePort": 0}]


def test_shared_memory_is_a_part_of_its_card_and_a_pod_that_waits_has_none():
    shared = replace(
        bert(),
        pods=(pod("a", **{"aliyun.com/gpu-mem": "3"}), pod("b", **{"aliyun.com/gpu-mem": "3"})),
        card_gib={"this": 15.0},
    )
    assert list_table([shared], all_namespaces=False).splitlines()[1].endswith("  0.4")
    shared.pods[1]["status"]["phase"] = "Pending"
    assert shared.gpus == 0.2


def test_an_inference_service_without_a_url_has_no_port_yet():
    job = iris()
    del job.object["status"]["url"]
    assert (job.address, job.ports) == ("N/A", "N/A")


def test_an_update_changes_what_is_given_and_nothing_else():
    (changed,) = changed_documents(bert(), Options(name="b", image="new:1"))
    assert changed["spec"]["replicas"] == 1
    assert changed["spec"]["template"]["spec"]["containers"][0]["image"] == "new:1"
    assert "status" not in changed
    assert "uid" not in changed["metadata"]


def serving(command: str) -> Job:
    job = bert()
    job.object["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", command]
    return job


def changed_command(command: str, **flags: Any) -> str:
    (changed,) = changed_documents(serving(command), Options(name="b", **flags))
    return changed["spec"]["template"]["spec"]["containers"][0]["command"][2]


def test_an_update_changes_the_flags_of_the_server_s_command():
    command = "server --port=8500 --model_name=a --model_base_path=/a --x=1"
    assert changed_command(command, model_path="/b") == (
        "server --port=8500 --model_name=a --model_base_path=/b --x=1"
    )
    assert changed_command(command, model_name="n", monitoring_config_file="/m") == (
        "server --port=8500 --model_name=n --model_base_path=/a --x=1 --monitoring_config_file=/m"
    )
    assert changed_command(command, model_config_file="/c") == (
        "server --port=8500 --x=1 --model_config_file=/c"
    )
    with pytest.raises(Usage, match="isn't Arena's own"):
        changed_documents(bert(), Options(name="b", model_path="/b"))


def test_what_an_update_can_not_change_is_refused_and_not_passed_over():
    with pytest.raises(Usage, match="--share-memory: an update can't change it"):
        changed_documents(bert(), Options(name="b", image="new:1", share_memory="1Gi"))
    with pytest.raises(Usage, match="--min-replicas: an update can't change it"):
        changed_documents(bert(), Options(name="b", min_replicas=2))


def test_an_update_brings_further_pull_secrets_and_tolerations_once():
    more = Options(name="b", image_pull_secret=("r",), toleration=("all",))
    (changed,) = changed_documents(bert(), more)
    pod_spec = changed["spec"]["template"]["spec"]
    assert pod_spec["imagePullSecrets"] == [{"name": "r"}]
    assert pod_spec["tolerations"] == [{"operator": "Exists"}]
    with pytest.raises(Usage, match="nothing to update"):
        changed_documents(replace(bert(), object=changed), more)


def test_a_job_with_its_own_image_has_no_model_that_an_update_could_change():
    job = iris()
    job.object["spec"] = {"predictor": {"containers": [{"name": "kserve-container"}]}}
    with pytest.raises(Usage, match="it has no storageUri: delete it"):
        changed_documents(job, Options(name="sklearn-iris", cpu="2", storage_uri="file:///m"))


def test_an_update_checks_what_a_submission_checks():
    with pytest.raises(Usage, match="GPUCore should be the multiple of 5"):
        changed_documents(bert(), Options(name="b", gpucore=7))


def test_a_job_that_another_scales_is_not_told_its_size():
    job = iris()
    job.object["metadata"]["annotations"] = {"serving.kserve.io/autoscalerClass": "external"}
    job.object["spec"] = {"predictor": {"model": {"modelFormat": {"name": "sklearn"}}}}
    with pytest.raises(Usage, match="kubectl edit hpa sklearn-iris-hpa"):
        changed_documents(job, Options(name="sklearn-iris", max_replicas=3))
    (changed,) = changed_documents(job, Options(name="sklearn-iris", model_format="onnx:1"))
    assert changed["spec"]["predictor"]["model"]["modelFormat"] == {"name": "onnx", "version": "1"}


def test_shared_memory_of_a_card_replaces_whole_cards():
    (changed,) = changed_documents(bert(), Options(name="b", gpumemory=3))
    limits = changed["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"aliyun.com/gpu-mem": "3"}


def test_several_versions_are_listed_line_by_line(capsys):
    def ask() -> int:
        one_job([bert(), bert()], "bert-tfserving")
        return 0

    assert guarded(ask) == 1
    assert capsys.readouterr().err.splitlines() == [
        "There is 2 jobs have been found:",
        "",
        "NAME            TYPE        VERSION",
        "bert-tfserving  Tensorflow  202207181536",
        "bert-tfserving  Tensorflow  202207181536",
        "",
        "please use '--type' or '--version' to filter.",
    ]


def test_versions_that_share_a_service_show_their_part_of_the_requests():
    one, two, none = (
        replace(bert(), version=version, share=share, pods=())
        for version, share in (("1", 80), ("2", 100), ("3", 0))
    )
    rows = list_table([one, two, none], all_namespaces=False).splitlines()[1:]
    assert [row.split()[5:] for row in rows] == [
        ["172.16.52.170(80%)", "GRPC:8500,RESTFUL:8501"],
        ["172.16.52.170", "GRPC:8500,RESTFUL:8501"],
        ["N/A", "N/A"],
    ]


def test_arena_s_words_keep_their_two_spaces(capsys):
    def refuse() -> int:
        raise Usage("all  ports are 0,invalid configuration")

    assert guarded(refuse) == 2
    assert capsys.readouterr().err == "tidegate: all  ports are 0,invalid configuration\n"
