"""What load balancers ask."""

from django.urls import path

from gallery.site import views

urlpatterns = [
    path("healthz", views.health, name="health"),
]
