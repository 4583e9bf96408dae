from django.urls import path

from modeling.ranking import views

urlpatterns = [
    path("queue/next/", views.next_tracks, name="next_tracks"),
    path("queue/next/lead/", views.lead_queue, name="lead_queue"),
    path("queue/next/rank/", views.rank_again, name="rank_again"),
    path("queue/next/find-out/", views.find_out, name="find_out"),
    path("queue/next/assign/", views.assign_some, name="assign_some"),
    path("queue/next/<slug:name>.csv", views.coverage_csv, name="coverage_csv"),
]
