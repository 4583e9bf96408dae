from django import template

from energyapp.charts.table import signed

register = template.Library()
register.filter("signed", signed)
