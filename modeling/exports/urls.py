from django.urls import path

from modeling.exports import views

urlpatterns = [
    path("exports/", views.exports, name="exports"),
    path("exports/<int:pk>/file", views.export_file, name="export_file"),
]
