from tidegate.policy.elastic_notes import elastic_label_notes, elastic_notes


def test_a_pod_for_elastic_instances_only_is_told_that_it_runs_here():
    (note,) = elastic_notes({"alibabacloud.com/burst-resource": "eci_only", "other": "1"})
    assert note == (
        "alibabacloud.com/burst-resource: eci_only: this machine has no elastic instances, its pods "
        "run on the machine itself"
    )


def test_what_chooses_elastic_instances_is_kept_for_a_cluster():
    (note,) = elastic_notes({"k8s.aliyun.com/eci-use-specs": "ecs.gn6i-c4g1.xlarge"})
    assert note.startswith("k8s.aliyun.com/eci-use-specs: kept, but it only has an effect on")
    (note,) = elastic_label_notes({"alibabacloud.com/eci": "true", "app": "x"})
    assert note.startswith("alibabacloud.com/eci: kept")


def test_other_annotations_of_the_same_house_are_not_its_business():
    assert elastic_notes({"k8s.aliyun.com/domain": "x", "scaling": "1"}) == []
