"""The rule that predicts: acceptance by position times the cost of a round, learned while it runs (docs/control.md)."""

from halospec.controllers.cost_model.in_client import CostModelController as CostModelController
from halospec.controllers.cost_model.in_server import CostModelRule as CostModelRule
from halospec.controllers.cost_model.settings import CostModelSettings as CostModelSettings
