from django.urls import path

from modeling import views

urlpatterns = [
    path("dashboard/", views.dashboard, name="dashboard"),
    path("train/", views.train, name="train"),
    path("runs/<int:pk>/", views.run, name="run"),
    path("runs/<int:pk>/tracks/", views.run_tracks, name="run_tracks"),
    path("runs/<int:pk>/promote/", views.promote, name="promote"),
]
