from django.urls import path

from modeling import lab_views, round_views, views
from modeling.dashboard import compare_views, runs_views
from modeling.dashboard import views as dashboard

urlpatterns = [
    path("dashboard/", dashboard.dashboard, name="dashboard"),
    path("dashboard/<slug:name>.csv", dashboard.dashboard_csv, name="dashboard_csv"),
    path("rounds/", round_views.rounds, name="rounds"),
    path("train/", views.train, name="train"),
    path("runs/", runs_views.runs, name="runs"),
    path("runs/compare/", compare_views.compare_runs, name="compare_runs"),
    path("runs/compare/<slug:name>.csv", compare_views.compare_csv, name="compare_csv"),
    path("runs/<int:pk>/", dashboard.run, name="run"),
    path("runs/<int:pk>/<slug:name>.csv", dashboard.run_csv, name="run_csv"),
    path("runs/<int:pk>/tracks/", dashboard.run_tracks, name="run_tracks"),
    path("runs/<int:pk>/promote/", views.promote, name="promote"),
    path("lab/", lab_views.lab, name="lab"),
    path("lab/<int:pk>/", lab_views.experiment, name="experiment"),
    path("lab/<int:pk>/report.csv", lab_views.report_csv, name="report_csv"),
    path("lab/<int:pk>/report.json", lab_views.report_json, name="report_json"),
    path("lab/<int:pk>/again/", lab_views.run_again, name="run_again"),
    path("lab/<slug:name>/run/", lab_views.run_experiment, name="run_experiment"),
    path("lab/<slug:name>/state/", lab_views.experiment_state, name="experiment_state"),
]
