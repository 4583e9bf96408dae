from django.urls import path

from annotations.accounts import admin_views, views

urlpatterns = [
    path("account/", views.account, name="account"),
    path("account/name/", views.change_name, name="change_name"),
    path("account/password/", views.change_password, name="change_password"),
    path("invitation/<str:secret>/", views.invitation, name="invitation"),
    path("admin/people/", admin_views.all_people, name="people"),
    path("admin/people/invite/", admin_views.invite, name="invite"),
    path("admin/people/links/<int:pk>/revoke/", admin_views.revoke_invitation, name="revoke_invitation"),
    path("admin/people/<int:pk>/", admin_views.person, name="person"),
    path("admin/people/<int:pk>/role/", admin_views.change_role, name="change_role"),
    path("admin/people/<int:pk>/deactivate/", admin_views.deactivate, name="deactivate"),
    path("admin/people/<int:pk>/activate/", admin_views.activate, name="activate"),
    path("admin/people/<int:pk>/password/", admin_views.offer_password, name="offer_password"),
]
