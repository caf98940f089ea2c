"""What the end-to-end tests need of the cluster of the current kubeconfig."""

from __future__ import annotations

from collections.abc import Sequence

from tests.kubectl import Body, Kubectl

DEFAULT = "storageclass.kubernetes.io/is-default-class"


def require(kubectl: Kubectl) -> None:
    """The cluster has what the tests need, or an AssertionError names what is missing."""
    problems = missing(kubectl.everywhere("StorageClass"), kubectl.everywhere("Deployment"))
    assert not problems, "make e2e CLUSTER=current: " + "; ".join(problems)


def missing(classes: Sequence[Body], deployments: Sequence[Body]) -> list[str]:
    """A sentence for each thing that keeps the tests from running."""
    problems = []
    if not any((each["metadata"].get("annotations") or {}).get(DEFAULT) == "true" for each in classes):
        problems.append(
            f"no StorageClass is the default one, so that claims stay unbound; annotate one with {DEFAULT}=true"
        )
    others = [each["metadata"] for each in deployments if _is_operator_of_all(each)]
    return problems + [
        f"Deployment {each['name']} in namespace {each['namespace']} is an operator for all namespaces; "
        "scale it to 0, or set its PERENNIAL_NAMESPACES"
        for each in others
    ]


def _is_operator_of_all(deployment: Body) -> bool:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each.get("value") for container in containers for each in container.get("env") or []}
    runs = deployment["spec"].get("replicas", 1) > 0
    return runs and "PERENNIAL_TRAINER_IMAGE" in variables and not variables.get("PERENNIAL_NAMESPACES")
