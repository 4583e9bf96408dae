from django.urls import path

from energyapp.jobs import views

urlpatterns = [
    path("jobs/<int:pk>/", views.follow_job, name="follow_job"),
    path("jobs/<int:pk>/cancel/", views.cancel_job, name="cancel_job"),
]
