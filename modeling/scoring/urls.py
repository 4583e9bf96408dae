from django.urls import path

from modeling.scoring import catalogue_views, curve_views, views

urlpatterns = [
    path("scores/", views.scores, name="scores"),
    path("scores/<int:pk>/", views.scoring, name="scoring"),
    path("scores/<int:pk>/state/", views.scoring_state, name="scoring_state"),
    path("scores/<int:pk>/result.csv", views.scoring_result, name="scoring_result"),
    path("catalogue/", catalogue_views.catalogue, name="catalogue"),
    path("catalogue/catalogue.csv", catalogue_views.catalogue_csv, name="catalogue_csv"),
    path("tracks/<int:pk>/energy/", curve_views.energy, name="energy"),
    path("tracks/<int:pk>/energy/draw/", curve_views.draw_curve, name="draw_curve"),
]
