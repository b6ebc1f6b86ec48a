"""Knative Route: resolves traffic to revisions and asks the data plane for it with an Ingress.

Source: knative/serving pkg/reconciler/route.
"""

from tidegate.controllers.route.reconciler import RouteController

__all__ = ["RouteController"]
