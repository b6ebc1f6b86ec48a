"""Fluid's datasets, and caches of images."""

from __future__ import annotations

from tidegate.model import fluid, fluid_runtimes, image_cache
from tidegate.model.kind import Kind

_FLUID = ("fluid",)


KINDS: tuple[Kind, ...] = (
    Kind(
        fluid.Dataset,
        fluid.GROUP,
        "v1alpha1",
        "Dataset",
        "datasets",
        "dataset",
        ("dataset",),
        _FLUID,
    ),
    Kind(
        fluid_runtimes.JindoRuntime,
        fluid.GROUP,
        "v1alpha1",
        "JindoRuntime",
        "jindoruntimes",
        "jindoruntime",
        ("jindo",),
        _FLUID,
        has_scale=True,
    ),
    Kind(
        fluid_runtimes.AlluxioRuntime,
        fluid.GROUP,
        "v1alpha1",
        "AlluxioRuntime",
        "alluxioruntimes",
        "alluxioruntime",
        ("alluxio",),
        _FLUID,
        has_scale=True,
    ),
    Kind(
        fluid_runtimes.EFCRuntime,
        fluid.GROUP,
        "v1alpha1",
        "EFCRuntime",
        "efcruntimes",
        "efcruntime",
        ("efc",),
        _FLUID,
        has_scale=True,
    ),
    Kind(
        fluid.DataLoad,
        fluid.GROUP,
        "v1alpha1",
        "DataLoad",
        "dataloads",
        "dataload",
        ("load",),
        _FLUID,
    ),
    Kind(
        image_cache.ImageCache,
        image_cache.GROUP,
        "v1",
        "ImageCache",
        "imagecaches",
        "imagecache",
        ("ic",),
        namespaced=False,
    ),
)

VERSIONS: tuple[Kind, ...] = ()
