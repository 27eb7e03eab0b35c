"""Login and logout of the site; the admin has its own."""

from django.contrib.auth.views import LoginView, LogoutView

from gallery.accounts.forms import LoginForm

login = LoginView.as_view(
    template_name="gallery/accounts/login.html",
    redirect_authenticated_user=True,
    authentication_form=LoginForm,
)
logout = LogoutView.as_view()
