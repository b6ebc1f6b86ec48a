"""What people run on a cluster and must see here: each run is a function of the stage, in two halves.

Between them other runs may have their first half: scaling down waits for minutes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from http.client import HTTPConnection

from stage import Stage, iris_model, language_model, tensorflow_layout

from tidegate.testing.s3_store import KEY, SECRET, S3Store, s3_store

REGISTRY = "kube-ai-registry.cn-shanghai.cr.aliyuncs.com"
ADDRESS = """
NGINX_INGRESS_IP=`kubectl -n kube-system get svc nginx-ingress-lb -ojsonpath='{.status.loadBalancer.ingress[0].ip}'`
SERVICE_HOSTNAME=$(kubectl get inferenceservice NAME -o jsonpath='{.status.url}' | cut -d "/" -f 3)
"""
IRIS = f"""
arena serve kserve \\
    --name=sklearn-iris \\
    --image={REGISTRY}/ai-sample/kserve-sklearn-server:v0.12.0 \\
    --cpu=1 \\
    --memory=200Mi \\
    --scale-metric=cpu \\
    --scale-target=10 \\
    --min-replicas=1 \\
    --max-replicas=10 \\
    "python -m sklearnserver --model_name=sklearn-iris --model_dir=/models --http_port=8080"
"""
IRIS_INPUT = """
cat <<EOF > "./iris-input.json"
{
  "instances": [
    [6.8, 2.8, 4.8, 1.4],
    [6.0, 3.4, 4.5, 1.6]
  ]
}
EOF
"""
IRIS_CURL = """
curl -sS -H "Host: $SERVICE_HOSTNAME" -H "Content-Type: application/json" \\
     http://$NGINX_INGRESS_IP:80/v1/models/sklearn-iris:predict -d @./iris-input.json
"""
VLLM = (
    "python3 -m vllm.entrypoints.openai.api_server --port 8080 --trust-remote-code "
    "--served-model-name qwen --model /mnt/models/Qwen-7B-Chat-Int8 --gpu-memory-utilization 0.95 "
    "--quantization gptq --max-model-len=6144"
)
QWEN = f"""
arena serve kserve \\
    --name=NAME \\
    --image={REGISTRY}/kube-ai/vllm:0.4.1 \\
    --gpus=1 \\
    --cpu=4 \\
    --memory=12Gi \\
    SCALING \\
    --data="llm-model:/mnt/models/Qwen-7B-Chat-Int8" \\
    "{VLLM}"
"""
BY_METRIC = (
    "--scale-metric=DCGM_CUSTOM_PROCESS_SM_UTIL --scale-target=50 --min-replicas=1 --max-replicas=2"
)
BY_OTHERS = '--annotation="serving.kserve.io/autoscalerClass=external"'
CHAT = (
    '{"model": "qwen", "messages": [{"role": "user", "content": "测试一下"}], "max_tokens": 10, '
    '"temperature": 0.7, "top_p": 0.9, "seed": 10}'
)
CHAT_CURL = f"""
curl -sS -H "Host: $SERVICE_HOSTNAME" -H "Content-Type: application/json" \\
     http://$NGINX_INGRESS_IP:80/v1/chat/completions -d '{CHAT}'
"""
BERT = """
arena serve tensorflow \\
   --namespace=default \\
   --name=bert-tfserving \\
   --model-name=chnsenticorp  \\
   --gpus=1  \\
   --image=tensorflow/serving:1.15.0-gpu \\
   --data=model-pvc:/data \\
   --model-path=/data/models/tensorflow/chnsenticorp \\
   --version-policy=specific:1623831335 \\
   --annotation=alibabacloud.com/burst-resource=eci_only \\
   --annotation=k8s.aliyun.com/eci-use-specs=ecs.gn6i-c4g1.xlarge
"""
FLOWER = '{"instances": [[6.8, 2.8, 4.8, 1.4]]}'


def settings(stage: Stage) -> None:
    """What is inside an image on this machine; short: an HPA that looks and forgets sooner."""
    iris = iris_model(stage.folder / "iris")
    entry = f"image: ai-sample/kserve-sklearn-server\npaths: {{/models: {iris}}}\n"
    _config_map(stage, "tidegate-system", "config-images", {"iris": entry})
    if stage.short:
        sooner = {"sync-period": "5s", "downscale-stabilization": "20s"}
        _config_map(stage, "knative-serving", "config-hpa", sooner)
    folder = language_model(stage.folder / "qwen")
    stage.run(
        f"kubectl apply -f {stage.document('local-volume.yaml', NAME='llm-model', FOLDER=str(folder))}"
    )


def _config_map(stage: Stage, namespace: str, name: str, data: dict[str, str]) -> None:
    path = stage.folder / f"{name}.json"
    meta = {"name": name, "namespace": namespace}
    path.write_text(
        json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    )
    stage.run(f"kubectl apply -f {path}")


def iris(stage: Stage) -> None:
    told = stage.run(IRIS)
    stage.check(
        "arena says what it made",
        "inferenceservice.serving.kserve.io/sklearn-iris created" in told
        and "The Job sklearn-iris has been submitted successfully" in told,
    )
    stage.run(IRIS_INPUT)
    stage.run("kubectl wait --for=condition=Ready isvc/sklearn-iris --timeout=120s")
    answer = stage.run(_at("sklearn-iris") + IRIS_CURL)
    stage.check('{"predictions":[1,1]}', answer == '{"predictions":[1,1]}')
    _load(
        stage,
        "sklearn-iris",
        '-c 20 -m POST -H "Content-Type: application/json" -D ./iris-input.json',
        "/v1/models/sklearn-iris:predict",
        until=lambda: stage.size("sklearn-iris-predictor") > 1,
        tool="hey",
    )
    size = stage.size("sklearn-iris-predictor")
    stage.check(f"sklearn-iris grew to {size}, within 1 and 10", 1 < size <= 10)


def iris_back(stage: Stage) -> None:
    _back_to_one(stage, "sklearn-iris-predictor")
    told = stage.run("kubectl describe hpa sklearn-iris-predictor")
    stage.check(
        "the events say why",
        "SuccessfulRescale" in told
        and "cpu resource utilization (percentage of request) above target" in told
        and "New size: 1; reason: All metrics below target" in told,
    )


def qwen(stage: Stage) -> None:
    told = stage.run(_sized(QWEN.replace("NAME", "qwen").replace("SCALING", BY_METRIC)))
    stage.check("arena makes the HPA", "autoscaling/qwen-hpa created" in told)
    stage.run("kubectl wait --for=condition=Ready isvc/qwen --timeout=180s")
    answer = json.loads(stage.run(_at("qwen") + CHAT_CURL))
    stage.check(
        "a chat completion of 10 tokens",
        answer["object"] == "chat.completion"
        and answer["model"] == "qwen"
        and answer["choices"][0]["message"]["role"] == "assistant"
        and answer["usage"]["completion_tokens"] <= 10,
    )
    _load(
        stage,
        "qwen",
        f"-c 5 -m POST -H 'Content-Type: application/json' -d '{CHAT}'",
        "/v1/chat/completions",
        until=lambda: stage.size("qwen-predictor") == 2,
        tool="tidegate load",
    )
    stage.wait("qwen at 2", lambda: stage.size("qwen-predictor") == 2, within_s=30)


def qwen_back(stage: Stage) -> None:
    _back_to_one(stage, "qwen-predictor")
    told = stage.run("kubectl describe hpa qwen-hpa")
    stage.check("the events say 2 and 1", "New size: 2" in told and "New size: 1" in told)


def qwen_cronhpa(stage: Stage) -> None:
    stage.run(_sized(QWEN.replace("NAME", "qwen-cronhpa").replace("SCALING", BY_OTHERS)))
    stage.run("kubectl wait --for=condition=Ready isvc/qwen-cronhpa --timeout=180s")
    stage.check("no HPA of its own", "qwen-cronhpa" not in stage.run("kubectl get hpa"))
    answer = json.loads(stage.run(_at("qwen-cronhpa") + CHAT_CURL))
    stage.check("a chat completion", answer["object"] == "chat.completion")
    now = datetime.now().astimezone()
    soon = now + timedelta(minutes=1 if now.second < 40 else 2)
    after = soon + timedelta(minutes=1)
    up, down = (f"0 {at.minute} {at.hour} * * *" for at in (soon, after))
    stage.run(f"kubectl apply -f {stage.document('cronhpa.yaml', UP=up, DOWN=down)}")
    stage.wait(f"2 pods asked for at {soon:%H:%M}", lambda: stage.size(_CRON) == 2, within_s=150)


_CRON = "qwen-cronhpa-predictor"


def qwen_cronhpa_back(stage: Stage) -> None:
    stage.wait("1 pod at the next minute", lambda: stage.size(_CRON) == 1, within_s=150)
    told = stage.run("kubectl get cronhpa qwen-cronhpa -o jsonpath='{.status.conditions[*].state}'")
    stage.check("both jobs Succeed", told.split() == ["Succeed", "Succeed"])


def bert(stage: Stage) -> None:
    tensorflow_layout(stage.folder / "buckets" / "tidegate-models")
    with s3_store(stage.folder / "buckets") as store:
        _bert_of(stage, store)


def _bert_of(stage: Stage, store: S3Store) -> None:
    filled = {
        "oss-cn-beijing.aliyuncs.com": store.url,
        "example-ak-id": KEY,
        "example-ak-secret": SECRET,
    }
    stage.document("pvc.yaml", **filled)
    stage.run("kubectl apply -f pvc.yaml")
    bound = "kubectl get pvc model-pvc -o jsonpath='{.status.phase}'"
    stage.wait("the bucket's claim Bound", lambda: stage.ask(bound) == "Bound", within_s=30)
    stage.run(BERT)
    version = stage.ask("arena serve list | awk '$1 == \"bert-tfserving\" {print $3}'")
    name = _bert(stage)
    stage.check(f"its version is a time ({version})", len(version) == 12 and version.isdigit())
    stage.run(f"kubectl rollout status deployment/{name} --timeout=120s")
    for document in ("bert-hpa.yaml", "bert-ingress.yaml"):
        stage.run(f"kubectl apply -f {stage.document(document, VERSION=version)}")
    for command, columns in _STATUS:
        told = stage.run(command)
        stage.check(f"{command}: {columns}", told.splitlines()[0].split() == columns.split())
    asked = (
        _at("")
        + "curl -sS -H 'Host: test.example.com' http://$NGINX_INGRESS_IP:80/v1/models/chnsenticorp"
    )
    stage.wait("the route", lambda: "AVAILABLE" in stage.ask(asked), within_s=30)
    answer = stage.run(asked)
    stage.check("version 1623831335 is served", '"version":"1623831335"' in answer)
    _load(
        stage,
        "",
        f"-c 3 -q 10 -m POST -d '{FLOWER}'",
        "/v1/models/chnsenticorp:predict",
        until=lambda: stage.size(_bert(stage)) > 1,
        tool="hey",
        host="test.example.com",
    )
    size = stage.size(name)
    stage.check(f"one download for {size} pods", store.reads("tidegate-models/models/") == 1)
    stage.check(f"more than 10 requests a second for a pod: {size} pods", 1 < size <= 10)


_STATUS = (
    ("arena serve list", "NAME TYPE VERSION DESIRED AVAILABLE ADDRESS PORTS GPU"),
    (
        "kubectl get pods -o wide",
        "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES",
    ),
    ("kubectl get deployment", "NAME READY UP-TO-DATE AVAILABLE AGE"),
    ("kubectl get service", "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE"),
    ("kubectl get hpa", "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE"),
    ("kubectl top pods", "NAME CPU(cores) MEMORY(bytes)"),
)


def _bert(stage: Stage) -> str:
    return stage.ask("kubectl get deployment -o name | grep bert-tfserving | cut -d/ -f2")


def bert_back(stage: Stage) -> None:
    _back_to_one(stage, _bert(stage))
    stage.run("kubectl describe hpa bert-tfserving-eci-hpa")


def canary(stage: Stage) -> None:
    for version in ("v1", "v2"):
        path = stage.folder / f"{version}.json"
        path.write_text(json.dumps(_teller(f"inference-{version}")))
        stage.run(f"kubectl apply -f {path}")
        stage.run(f"kubectl rollout status deployment/inference-{version} --timeout=60s")
    stage.run(f"kubectl apply -f {stage.document('canary.yaml')}")
    ip = stage.ask(
        "kubectl -n kube-system get svc nginx-ingress-lb "
        "-ojsonpath='{.status.loadBalancer.ingress[0].ip}'"
    )
    stage.wait("both answer", lambda: len(_answers(ip, stage.port, 40)) == 2, within_s=60)
    found = _answers(ip, stage.port, 2000)
    share = found["inference-v2"] / 2000
    stage.check(f"10% to inference-v2: {share:.1%} of 2000", abs(share - 0.1) <= 0.01)


def _teller(name: str) -> dict[str, object]:
    """A Deployment and its Service that answer their name."""
    code = (
        "import os\nfrom http.server import *\n"
        "class H(BaseHTTPRequestHandler):\n"
        " protocol_version='HTTP/1.1';wbufsize=-1\n"
        " def do_GET(self):\n"
        f"  b=b'{name}'\n"
        "  self.send_response(200);self.send_header('content-length',str(len(b)))\n"
        "  self.end_headers();self.wfile.write(b)\n"
        " def log_message(self,*a): pass\n"
        "ThreadingHTTPServer(('127.0.0.1',int(os.environ['PORT'])),H).serve_forever()\n"
    )
    container = {
        "name": "main",
        "image": "python:3",
        "command": ["python", "-c", code],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    meta = {"name": name, "namespace": "default"}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    ports = [{"port": 80, "targetPort": 8080}]
    items = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": ports},
        },
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _answers(ip: str, port: int, count: int) -> Counter[str]:
    found: Counter[str] = Counter()
    connection = HTTPConnection(ip, port, timeout=30)
    for _ in range(count):
        connection.request("GET", "/", headers={"Host": "inference.example.com"})
        answer = connection.getresponse()
        body = answer.read().decode()
        found[body if answer.status == 200 else str(answer.status)] += 1
    connection.close()
    return found


def _at(name: str) -> str:
    """Shell variables for the gateway's address and a service's host ("": no service)."""
    lines = ADDRESS.replace("inferenceservice NAME", f"inferenceservice {name}").splitlines(True)
    return "".join(lines if name else lines[:2])


def _sized(command: str) -> str:
    """Two pods of four cores and 12 GiB only fit on some machines; on others they ask for less."""
    if (os.cpu_count() or 1) >= 24:
        return command
    print("# fewer than 24 cores here: --cpu=4 --memory=12Gi become --cpu=100m --memory=1Gi")
    return command.replace("--cpu=4", "--cpu=100m").replace("--memory=12Gi", "--memory=1Gi")


def _load(
    stage: Stage,
    service: str,
    flags: str,
    path: str,
    *,
    until: Callable[[], bool],
    tool: str,
    host: str = "$SERVICE_HOSTNAME",
) -> None:
    """Two minutes of load; short: until it has been answered with pods, two minutes at the most."""
    name_flag = "-host" if tool == "hey" else "--host"
    if tool == "hey" and shutil.which("hey") is None:
        print("# hey is not installed: `tidegate load` takes its place")
        tool, name_flag = "tidegate load", "--host"
    script = (
        _at(service)
        + f"exec {tool} -z 2m {flags} {name_flag} {host} http://${{NGINX_INGRESS_IP}}:80{path}"
    )
    if not stage.short:
        told = stage.run(script)
        codes = set(re.findall(r"\[(\d{3})\]\s+\d+ responses", told))
        stage.check("every answer is 200", codes == {"200"} and "Error distribution" not in told)
        return
    script = stage.here(script)
    print(f"$ {script.strip()}  # ended when pods came")
    line = ["bash", "-c", script]
    with subprocess.Popen(
        line, cwd=stage.folder, env=stage.env, stdout=subprocess.DEVNULL, stderr=sys.stderr
    ) as load:
        try:
            stage.wait("pods were added", until, within_s=115)
        finally:
            load.terminate()


def _back_to_one(stage: Stage, deployment: str) -> None:
    within_s = 120 if stage.short else 480
    stage.wait(f"{deployment} back at 1", lambda: stage.size(deployment) == 1, within_s=within_s)
