from django.urls import path

from modeling.retraining import rules, views

urlpatterns = [
    path("retraining/", views.retraining, name="retraining"),
    path("retraining/preview/", views.retraining_preview, name="retraining_preview"),
    path("retraining/train/", views.retrain, name="retrain"),
    path("retraining/promote/", views.put_to_use, name="put_to_use"),
    path("retraining/rules/", rules.retraining_rules, name="retraining_rules"),
]
