from django.urls import path

from energyapp.webhooks import views

urlpatterns = [
    path("admin/webhooks/", views.webhooks, name="webhooks"),
    path("admin/webhooks/<int:pk>/remove/", views.remove_webhook, name="remove_webhook"),
    path("admin/webhooks/<int:pk>/ping/", views.ping_webhook, name="ping_webhook"),
    path("admin/webhooks/deliveries/<uuid:pk>/again/", views.send_again, name="send_again"),
]
