from django.urls import path

from annotations import label_views, library, own_labels, views
from annotations.annotators import views as annotators
from annotations.guiding import assignments, references, rules
from annotations.review import page_views as review
from annotations.review import queue_views
from annotations.review import rules as review_rules

urlpatterns = [
    path("", views.home, name="home"),
    path("label/", label_views.label, name="label"),
    path("label/answer/", label_views.annotate, name="annotate"),
    path("label/skip/", label_views.skip, name="skip"),
    path("label/claim/", label_views.claim, name="claim"),
    path("label/keep/", label_views.keep, name="keep"),
    path("label/release/", label_views.release, name="release"),
    path("label/outbox/", label_views.answer, name="outbox"),
    path("label/compare/", label_views.compare, name="compare"),
    path("label/mine/", own_labels.my_labels, name="my_labels"),
    path("label/mine/change/", own_labels.change_my_label, name="change_my_label"),
    path("tracks/", library.library, name="library"),
    path("tracks/<int:pk>/", library.track, name="track"),
    path("tracks/<int:pk>/send-back/", assignments.send_back, name="send_back"),
    path("tracks/<int:pk>/audio", views.track_audio, name="track_audio"),
    path("queue/rules/", rules.rules, name="rules"),
    path("queue/list/", rules.list_tracks, name="list_tracks"),
    path("queue/list/take/", rules.take_list, name="take_list"),
    path("queue/references/", references.references, name="references"),
    path("queue/references/withdraw/", references.withdraw_reference, name="withdraw_reference"),
    path("queue/assignments/", assignments.assignments, name="assignments"),
    path("queue/assignments/withdraw/", assignments.withdraw_assignments, name="withdraw_assignments"),
    path("review/", queue_views.review_queue, name="review_queue"),
    path("review/decide/", queue_views.decide_many, name="decide_many"),
    path("review/export.csv", queue_views.export_flags, name="export_flags"),
    path("review/rules/", review_rules.review_rules, name="review_rules"),
    path("review/<int:pk>/", review.review, name="review"),
    path("review/<int:pk>/opinion/", review.give_opinion, name="give_opinion"),
    path("review/<int:pk>/decision/", review.decide, name="decide"),
    path("review/<int:pk>/undo/", review.undo, name="undo_decision"),
    path("annotators/", annotators.annotators, name="annotators"),
    path("annotators/look-again/", annotators.look_again, name="look_again"),
    path("annotators/<int:pk>/", annotators.annotator, name="annotator"),
    path("annotators/<int:pk>/exclusion/", annotators.exclude_annotator, name="exclude_annotator"),
]
