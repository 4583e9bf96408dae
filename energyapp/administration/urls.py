from django.urls import path

from energyapp.administration import views

urlpatterns = [
    path("admin/settings/", views.settings_page, name="settings"),
    path("admin/audit/", views.audit, name="audit"),
    path("admin/audit.csv", views.audit_csv, name="audit_csv"),
]
