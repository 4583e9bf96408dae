from django.urls import path

from annotations.intake import views

urlpatterns = [
    path("import/", views.imports, name="imports"),
    path("import/try-again/", views.try_again, name="try_again"),
    path("import/<uuid:pk>/", views.upload, name="upload"),
    path("import/<uuid:pk>/files/", views.add_file, name="add_file"),
    path("import/<uuid:pk>/finish/", views.finish_upload, name="finish_upload"),
    path("import/<uuid:pk>/refused.csv", views.refused_rows, name="refused_rows"),
]
