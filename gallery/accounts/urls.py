"""URLs of login and API tokens."""

from django.urls import path

from gallery.accounts import token_views, views

urlpatterns = [
    path("account/tokens/", token_views.token_list, name="tokens"),
    path("account/tokens/<number:token_id>/revoke/", token_views.revoke, name="revoke_token"),
    path("login/", views.login, name="login"),
    path("logout/", views.logout, name="logout"),
]
