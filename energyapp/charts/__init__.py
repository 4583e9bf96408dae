"""Numbers -> SVG markup: pure functions without models, requests or settings.

Every drawing carries classes instead of colours (static/css/charts.css paints them in both themes), a label for those
who cannot see it, and a `<title>` for each value. Links are optional; all text is escaped.
"""

from energyapp.charts.agreement import agreement_triangle
from energyapp.charts.bars import share_bar, spark_bars, value_bar
from energyapp.charts.curves import Curve, bars, curves
from energyapp.charts.difference import difference_matrix
from energyapp.charts.dots import Dot, dots
from energyapp.charts.histogram import level_histogram
from energyapp.charts.line import Point, line_with_band
from energyapp.charts.matrix import confusion_matrix
from energyapp.charts.ridges import Ridge, ridges
from energyapp.charts.scatter import ScatterPoint, scatter
from energyapp.charts.table import Column, Table

__all__ = [
    "Column",
    "Curve",
    "Dot",
    "Point",
    "Ridge",
    "ScatterPoint",
    "Table",
    "agreement_triangle",
    "bars",
    "confusion_matrix",
    "curves",
    "difference_matrix",
    "dots",
    "level_histogram",
    "line_with_band",
    "ridges",
    "scatter",
    "share_bar",
    "spark_bars",
    "value_bar",
]
