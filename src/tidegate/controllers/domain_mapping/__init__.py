"""Knative DomainMapping: a host of one's own that leads to a Service or Route.

Source: knative/serving pkg/reconciler/domainmapping.
"""

from tidegate.controllers.domain_mapping.reconciler import DomainMappingController

__all__ = ["DomainMappingController"]
