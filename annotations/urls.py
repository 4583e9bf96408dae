from django.urls import path

from annotations import library, review, views

urlpatterns = [
    path("", views.home, name="home"),
    path("label/", views.label, name="label"),
    path("label/answer/", views.annotate, name="annotate"),
    path("label/skip/", views.skip, name="skip"),
    path("tracks/", library.library, name="library"),
    path("tracks/<int:pk>/audio", views.track_audio, name="track_audio"),
    path("review/", review.review_queue, name="review_queue"),
    path("review/<int:pk>/", review.review, name="review"),
    path("review/<int:pk>/opinion/", review.give_opinion, name="give_opinion"),
    path("review/<int:pk>/decision/", review.decide, name="decide"),
    path("annotators/", review.annotators, name="annotators"),
]
